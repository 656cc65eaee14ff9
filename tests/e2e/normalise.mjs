// Puts markers where runs differ, and lists the differences of two runs, as the conformance README says.

/** `run` is `{ids: Set of texts, from, to}`, times in milliseconds. */
export function normalise(value, run, key = '') {
  if (Array.isArray(value)) return value.map((element) => normalise(element, run));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, normalise(member, run, name)]),
    );
  }
  if (typeof value === 'number') {
    const isNamed = key === 'id' || key.endsWith('Id');
    return run.ids.has(String(value)) || (isNamed && value > 1e13) ? '<id>' : value;
  }
  if (typeof value === 'string') return normaliseText(key === 'log' ? withoutStacks(value) : value, run);
  return value;
}

function normaliseText(text, { ids, from, to }) {
  if (text.startsWith('BaseHTTP/')) return '<server>';
  if (/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/.test(text)) return '<time>';
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/.test(text)) {
    const time = Date.parse(text);
    if (time >= from - 2000 && time <= to + 2000) return '<time>';
  }
  return text.replace(/\d{12,}/g, (digits) => (ids.has(digits) ? '<id>' : digits));
}

/** A stack ends before the next line that starts with a word and a colon. */
function withoutStacks(log) {
  let inStack = false;
  return log
    .split('\n')
    .flatMap((line) => {
      if (line.startsWith('stack: ')) {
        inStack = true;
        return ['stack: <stack>'];
      }
      if (inStack && !/^\w+: /.test(line)) return [];
      inStack = false;
      return [line];
    })
    .join('\n');
}

/** Texts of the form `path: left | right`. */
export function differences(left, right, ignore = []) {
  const found = [];
  walk('$', left, right, found);
  return found.filter(({ path }) => !ignore.some((part) => path.includes(part)));
}

function walk(path, left, right, found) {
  if (isObject(left) && isObject(right)) {
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
      walk(`${path}.${key}`, left[key], right[key], found);
  } else if (Array.isArray(left) && Array.isArray(right)) {
    for (let i = 0; i < Math.max(left.length, right.length); i++)
      walk(`${path}[${i}]`, left[i], right[i], found);
  } else if (!isSame(left, right)) {
    found.push({ path, left, right });
  }
}

function isObject(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isSame(left, right) {
  if (typeof left !== 'number' || typeof right !== 'number') return left === right;
  if (Number.isInteger(left) && Number.isInteger(right)) return left === right;
  return Math.abs(left - right) <= 1e-9 * Math.max(1, Math.abs(left));
}
