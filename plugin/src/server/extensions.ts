// The members of `sidehook` in a trigger's configuration, as far as NocoBase answers by itself. Nearly all of them are
// sidehook's alone, and here they let nobody in: who is kept out must not depend on who answers.

import { isObject } from './shapes';

/** What sidehook keeps of requests. */
export const LEVELS = ['off', 'refused', 'all', 'bodies'];

/** The members that change nothing at who is let in, each with what can be used of it. */
export const HARMLESS = {
  context: (value: unknown) => value == null || value === 'full',
  // Nothing is served at it here.
  path: (value: unknown) => !value || isPath(value),
  // Nothing is kept of requests here.
  log: (value: unknown) => value == null || LEVELS.includes(value as string),
};

/** Whether everything in it can be had from NocoBase alone. */
export function isServed(sidehook: unknown): boolean {
  if (!sidehook) return true;
  if (!isObject(sidehook)) return false;
  return Object.entries(sidehook).every(
    ([name, value]) => Object.hasOwn(HARMLESS, name) && HARMLESS[name as keyof typeof HARMLESS](value),
  );
}

/** `orders/:id`, by the rules of `src/webhook/path.rs`. */
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
