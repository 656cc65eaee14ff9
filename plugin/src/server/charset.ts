// Content types, and texts in the charsets that they name, by the labels of the WHATWG's encoding standard.

export interface MediaType {
  /** `text/html`, in lower case. */
  essence: string;
  charset?: string | undefined;
  boundary?: string | undefined;
}

/** The characters of windows-1252 from 0x80 to 0x9f, which some versions of Node.js take for ISO 8859-1. */
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/** Tolerates more than RFC 9110 allows: some clients send no `;` before a parameter, and some the header twice. */
export function mediaType(text = ''): MediaType {
  const [first = '', ...parameters] = text.split(';');
  const [, essence = '', more = ''] = /^([^ \t,]*)[ \t,]?(.*)$/s.exec(first.trim()) ?? [];
  const parameter = (wanted: string) => {
    for (const part of [...parameters, more]) {
      const at = part.indexOf('=');
      if (at < 0 || part.slice(0, at).trim().toLowerCase() !== wanted) continue;
      return (
        part
          .slice(at + 1)
          .trim()
          .replace(/^"+|"+$/g, '') || undefined
      );
    }
  };
  return {
    essence: essence.toLowerCase(),
    // Of a header that came twice the first.
    charset:
      parameter('charset')
        ?.split(',')[0]!
        .replace(/^"+|"+$/g, '') || undefined,
    boundary: parameter('boundary'),
  };
}

/** Decodes bytes; undefined for a label that is not known. */
export function decoder(label: string): ((bytes: Buffer, isStrict?: boolean) => string) | undefined {
  let name: string;
  try {
    name = new TextDecoder(label).encoding;
  } catch {
    return;
  }
  if (name !== 'windows-1252') {
    // Throws for bytes that are no text when it is strict.
    return (bytes, isStrict = false) => new TextDecoder(name, { fatal: isStrict }).decode(bytes);
  }
  const replace = (char: string) => WINDOWS_1252[char.charCodeAt(0) - 0x80]!;
  return (bytes) => bytes.toString('latin1').replace(/[\x80-\x9f]/g, replace);
}
