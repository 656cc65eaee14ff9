// What a signature covers, as a text: `{timestamp}.{body}` for `["timestamp", ".", "body"]`.

const WORDS = ['body', 'timestamp', 'id', 'method', 'path', 'query', 'url'];
const isWord = (part: string) => WORDS.includes(part) || part.startsWith('header:');

/** The text of a list of parts. */
export function textOfSigned(parts: string[]): string {
  return parts.map((part) => (isWord(part) ? `{${part}}` : part.replace(/^text:/, ''))).join('');
}

/** The parts of a text; undefined for an empty one. */
export function signedOfText(text: string): string[] | undefined {
  const parts = text.split(/(\{[^{}]*\})/).filter(Boolean);
  const found = parts.map((part) => {
    const word = part.startsWith('{') ? part.slice(1, -1) : '';
    if (isWord(word)) return word;
    // A longer word would be taken for a part of the request.
    const isPlain = part.length <= 2 || (!/^\p{L}+$/u.test(part) && !/^(text|header):/.test(part));
    return isPlain ? part : `text:${part}`;
  });
  return found.length ? found : undefined;
}
