// JSON as people write it into a form: where it is broken, and placeholders that stand outside of quotes.

/** Stands in a form for text that is no JSON, so that it is neither lost nor stored. */
export class BrokenJson {
  constructor(
    readonly text: string,
    readonly line: number,
    readonly column: number,
  ) {}
}

/** The value of a text; undefined for an empty one. */
export function parseJson(text: string): unknown {
  if (!text.trim()) return;
  try {
    return JSON.parse(text);
  } catch {
    const before = text.slice(0, faultIn(text)).split('\n');
    return new BrokenJson(text, before.length, before[before.length - 1]!.length + 1);
  }
}

/** The same for a template, in which `{{…}}` may stand for a value. */
export function parseTemplate(text: string): unknown {
  const value = parseJson(text);
  if (!(value instanceof BrokenJson)) return value;
  const quoted = parseJson(text.replace(/"(?:[^"\\]|\\.)*"|\{\{[^{}"]*\}\}/g, quote));
  return quoted instanceof BrokenJson ? value : quoted;
}

const quote = (token: string) => (token.startsWith('{{') ? JSON.stringify(token) : token);

/** Every broken text below a value of a form. */
export function findBroken(value: unknown): BrokenJson | undefined {
  if (value instanceof BrokenJson) return value;
  if (typeof value !== 'object' || value === null) return;
  for (const member of Object.values(value)) {
    const broken = findBroken(member);
    if (broken) return broken;
  }
  return;
}

const SPACE = /[ \t\n\r]*/y;
const SCALAR =
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** Where a text stops being JSON. Browsers say it in different words, or not at all. */
function faultIn(text: string): number {
  let at = 0;
  const skip = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return Boolean(found);
  };
  const take = (character: string) => {
    skip(SPACE);
    if (text[at] !== character) return false;
    at += 1;
    return true;
  };
  const takeMembers = (close: string, takeMember: () => boolean) => {
    if (take(close)) return true;
    do {
      if (!takeMember()) return false;
    } while (take(','));
    return take(close);
  };
  const takeValue = (): boolean => {
    if (take('{')) return takeMembers('}', () => takeKey() && take(':') && takeValue());
    if (take('[')) return takeMembers(']', takeValue);
    return skip(SCALAR);
  };
  const takeKey = () => {
    skip(SPACE);
    return text[at] === '"' && skip(SCALAR);
  };
  takeValue();
  skip(SPACE);
  return at;
}
