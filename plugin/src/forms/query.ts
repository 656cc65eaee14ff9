// Reads a pasted URL or query string as the server will read it. That is qs with its default options, which is too
// large to be loaded by everyone who opens NocoBase; the tests compare the two.

const MAX_PARAMETERS = 1000;
const MAX_DEPTH = 5;
const MAX_INDEX = 20;

type Nested = { [key: string]: Value };
type Value = string | Value[] | Nested;

export function parseQuery(pasted: string): Nested {
  const parameters = new Map<string, Value>();
  for (const part of queryOf(pasted.trim()).split('&').slice(0, MAX_PARAMETERS)) {
    if (!part) continue;
    const bracket = part.indexOf(']=');
    const equals = bracket === -1 ? part.indexOf('=') : bracket + 1;
    const [name, text] = equals === -1 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)];
    const [key, value] = [decode(name), decode(text)];
    const before = parameters.get(key);
    parameters.set(key, before === undefined ? value : [before, value].flat());
  }
  let query: Nested = {};
  for (const [key, value] of parameters) {
    if (key) query = merge(query, nest(segments(key), value)) as Nested;
  }
  return compact(query) as Nested;
}

function queryOf(pasted: string): string {
  const withoutFragment = pasted.replace(/#.*/s, '');
  const isUrl = /^([a-z][a-z0-9+.-]*:\/\/|\/|\?)/i.test(withoutFragment);
  return isUrl ? withoutFragment.split('?').slice(1).join('?') : withoutFragment;
}

function decode(text: string): string {
  const spaced = text.replace(/\+/g, ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

/** `a[b][]` as `a`, `[b]`, `[]`; what lies too deep, or is not closed, stays together. */
function segments(key: string): string[] {
  let open = key.indexOf('[');
  if (open === -1) return [key];
  const found = open ? [key.slice(0, open)] : [];
  for (let depth = 0; open !== -1; depth += 1) {
    const close = depth < MAX_DEPTH ? closing(key, open) : -1;
    if (close === -1) return [...found, `[${key.slice(open)}]`];
    found.push(key.slice(open, close + 1));
    open = key.indexOf('[', close);
  }
  return found;
}

/** Where the bracket at `open` ends, brackets inside of it counted. */
function closing(key: string, open: number): number {
  let level = 0;
  for (let at = open; at < key.length; at += 1) {
    if (key[at] === '[') level += 1;
    if (key[at] === ']') level -= 1;
    if (level === 0) return at;
  }
  return -1;
}

function nest(path: string[], value: Value): Value {
  return path.reduceRight<Value>((inner, segment) => {
    if (segment === '[]') return Array.isArray(inner) ? inner : [inner];
    const name = segment.startsWith('[') && segment.endsWith(']') ? segment.slice(1, -1) : segment;
    const index = Number(name);
    if (
      name !== segment &&
      String(index) === name &&
      Number.isInteger(index) &&
      index >= 0 &&
      index <= MAX_INDEX
    ) {
      const list: Value[] = [];
      list[index] = inner;
      return list;
    }
    return { [name]: inner };
  }, value);
}

function merge(target: Value, source: Value): Value {
  if (typeof source !== 'object') {
    return [...(Array.isArray(target) ? target : [target]), source];
  }
  if (typeof target !== 'object') return [target, ...(Array.isArray(source) ? source : [source])];
  if (Array.isArray(target) && Array.isArray(source)) {
    const merged = [...target];
    source.forEach((value, index) => {
      const before = merged[index];
      if (before === undefined) merged[index] = value;
      else if (typeof before === 'object' && typeof value === 'object') merged[index] = merge(before, value);
      else merged.push(value);
    });
    return merged;
  }
  const merged: Nested = { ...(target as Nested) };
  for (const [key, value] of Object.entries(source)) {
    merged[key] = key in merged ? merge(merged[key]!, value) : value;
  }
  return merged;
}

/** Lists without their holes. */
function compact(value: Value): Value {
  if (Array.isArray(value)) return value.filter((member) => member !== undefined).map(compact);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, compact(member)]));
}
