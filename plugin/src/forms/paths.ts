// The lodash paths of what a value holds, as NocoBase's manual lists them: `a`, `b`, `b.c`, `list[0].a`.

/** A pasted body may have any size; nobody picks from a longer list. */
export const MAX_PATHS = 200;

export function pathsOf(value: unknown): string[] {
  const paths: string[] = [];
  collect(value, '', paths);
  return paths;
}

function collect(value: unknown, prefix: string, paths: string[]) {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (paths.length >= MAX_PATHS) return;
    const path = prefix + (Array.isArray(value) ? `[${key}]` : step(key, prefix));
    paths.push(path);
    collect(member, path, paths);
  }
}

function step(key: string, prefix: string): string {
  // A path that begins with `$` may be read as a JSONPath.
  const isPlain = /^[^.[\]]+$/.test(key) && (prefix || key !== '$');
  if (isPlain) return prefix ? `.${key}` : key;
  return `["${key.replace(/["\\]/g, '\\$&')}"]`;
}
