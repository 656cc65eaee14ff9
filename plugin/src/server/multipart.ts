// Bodies of the type `multipart/form-data` (RFC 7578), by the rules of sidehook's `src/webhook/body/multipart.rs`.

import { decoder, mediaType } from './charset';

interface Part {
  name: string;
  filename?: string | undefined;
  contentType?: string | undefined;
  bytes: Buffer;
}

const CRLF = '\r\n';

/** Fields as text, files as `{filename, contentType, size, base64}`, several of one name as a list. Throws for what
 * is no form. */
export function parseForm(boundary: string | undefined, bytes: Buffer): Record<string, unknown> {
  if (!boundary) throw new Error('its content type names no boundary');
  const parts = split(boundary, bytes);
  const charsets = charsetsOf(parts);
  const values = new Map<string, unknown[]>();
  for (const part of parts) {
    values.set(part.name, [...(values.get(part.name) ?? []), valueOf(part, charsets)]);
  }
  const one = ([name, all]: [string, unknown[]]) => [name, all.length === 1 ? all[0] : all];
  return Object.fromEntries([...values].map(one));
}

function split(boundary: string, bytes: Buffer): Part[] {
  const delimiter = `--${boundary}`;
  let at = bytes.indexOf(delimiter);
  const parts: Part[] = [];
  while (at >= 0) {
    at += delimiter.length;
    if (bytes.toString('latin1', at, at + 2) === '--') return parts;
    while (bytes[at] === 0x20 || bytes[at] === 0x09) at++;
    if (bytes.toString('latin1', at, at + 2) !== CRLF) break;
    at += 2;
    const isBare = bytes.toString('latin1', at, at + 2) === CRLF;
    const headersEnd = isBare ? at : bytes.indexOf(CRLF + CRLF, at);
    const start = headersEnd + (isBare ? 2 : 4);
    const end = bytes.indexOf(CRLF + delimiter, isBare ? at : start - 2);
    if (headersEnd < 0 || end < 0) break;
    parts.push(
      readPart(bytes.toString('latin1', at, headersEnd), bytes.subarray(start, Math.max(start, end))),
    );
    at = end + 2;
  }
  throw new Error('a boundary is missing or it breaks off before the last one');
}

function readPart(head: string, bytes: Buffer): Part {
  const headers = new Map<string, string>();
  // One that is folded is one line; one that cannot be read costs nothing but itself.
  for (const line of head.replace(/\r\n[ \t]/g, ' ').split(CRLF)) {
    const [, name, value] = /^\s*([\w!#$%&'*+\-.^`|~]+)\s*:(.*)$/s.exec(line) ?? [];
    if (name !== undefined && !/[\x00-\x1f\x7f-\x9f]/.test(value!.trim())) {
      headers.set(name.toLowerCase(), value!.trim());
    }
  }
  const disposition = headers.get('content-disposition') ?? '';
  const contentType = headers.get('content-type') || undefined;
  return {
    name: attribute(disposition, 'name') ?? '',
    filename: attribute(disposition, 'filename') ?? extended(disposition),
    contentType,
    bytes,
  };
}

/** An attribute of a header, with or without quotes; its bytes are UTF-8. */
function attribute(header: string, name: string): string | undefined {
  const match = new RegExp(`(?:^|[;\\s])${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;]*))`, 's').exec(header);
  if (!match) return;
  const text = match[1]?.replace(/\\(["\\])/g, '$1') ?? match[2]!.trim();
  return Buffer.from(text, 'latin1').toString('utf8');
}

/** RFC 7578 has no `filename*`, but some clients send nothing else. */
function extended(header: string): string | undefined {
  const encoded = header.split('filename*=')[1]?.split(';')[0]?.split("'").pop()?.trim();
  if (encoded === undefined) return;
  const bytes = encoded.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** What the form says of the charsets of its parts: SendGrid's field `charsets`, and `_charset_` of RFC 7578. */
function charsetsOf(parts: Part[]): { byName: Record<string, unknown>; all?: string | undefined } {
  const field = (name: string) =>
    parts.find((part) => part.name === name && part.filename === undefined)?.bytes.toString('utf8');
  try {
    return { byName: JSON.parse(field('charsets') ?? '{}') ?? {}, all: field('_charset_') };
  } catch {
    return { byName: {}, all: field('_charset_') };
  }
}

function valueOf(part: Part, charsets: ReturnType<typeof charsetsOf>): unknown {
  const text = part.filename === undefined ? textOf(part, charsets) : undefined;
  if (text !== undefined) return text;
  return {
    ...(part.filename === undefined ? {} : { filename: part.filename }),
    contentType: part.contentType ?? 'application/octet-stream',
    size: part.bytes.length,
    base64: part.bytes.toString('base64'),
  };
}

/** The part as text, if all of it is one. */
function textOf({ name, contentType, bytes }: Part, { byName, all }: ReturnType<typeof charsetsOf>) {
  const { essence, charset } = mediaType(contentType);
  if (!isText(essence)) return;
  const named = Object.hasOwn(byName, name) ? byName[name] : undefined;
  const label = charset ?? (typeof named === 'string' ? named : undefined) ?? all ?? 'utf-8';
  try {
    return decoder(label)?.(bytes, true);
  } catch {
    return;
  }
}

function isText(essence: string): boolean {
  const types = ['', 'application/xml', 'application/json', 'application/csp-report'];
  return (
    types.includes(essence) ||
    essence === 'application/x-www-form-urlencoded' ||
    essence.startsWith('text/') ||
    /\+(json|xml)$/.test(essence)
  );
}
