// The members of `sidehook` in a trigger's configuration. What this version does not know, or cannot use, lets nobody
// in, by the rules of sidehook's `src/webhook/trigger.rs`: it may be meant to keep somebody out.

/** The members that this version knows, each with what it can use. */
export const USABLE = {
  context: (value: unknown) => value == null || value === 'full',
  path: (value: unknown) => !value || isPath(value),
};

/** Whether everything in it can be used. */
export function isUsable(sidehook: unknown): boolean {
  if (!sidehook) return true;
  if (!isObject(sidehook)) return false;
  return Object.entries(sidehook).every(
    ([name, value]) => Object.hasOwn(USABLE, name) && USABLE[name as keyof typeof USABLE](value),
  );
}

/** `orders/:id`, by the rules of `src/webhook/path.rs`. Here nothing is served at it. */
function isPath(path: unknown): boolean {
  if (typeof path !== 'string') return false;
  const segments = path
    .trim()
    .replace(/^\/+|\/+$/g, '')
    .split('/');
  const parameters = segments.filter((segment) => segment.startsWith(':'));
  const isSegment = (segment: string) =>
    segment.startsWith(':')
      ? /^:[A-Za-z0-9_-]+$/.test(segment)
      : segment !== '' && segment !== '.' && segment !== '..' && !/[?#*]/.test(segment);
  return segments.every(isSegment) && new Set(parameters).size === parameters.length;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
