// Reads the body of a request, and makes a value of it by its content type, as sidehook's `src/webhook/body`.

import type { IncomingMessage } from 'node:http';
import qs from 'qs';
import { decoder, mediaType } from './charset';
import { parseForm } from './multipart';
import { Refusal } from './refusal';

/** Beside these, every type that ends in `+json` is JSON, and AWS's `application/x-amz-json-1.1`. */
const JSON_TYPES = [
  'application/json',
  'text/json',
  'application/x-json',
  'text/x-json',
  'application/csp-report',
];
/** JSON values one after the other, each on a line. */
const LINES_TYPES = [
  'application/x-ndjson',
  'application/ndjson',
  'application/x-jsonlines',
  'application/jsonlines',
  'application/x-jsonl',
  'application/jsonl',
  'application/stream+json',
  'text/x-ndjson',
  'text/ndjson',
  'text/jsonl',
];
const UNITS: Record<string, number> = { b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 };

/** `10mb`, `512 kb`, `1048576`: the forms of NocoBase's `REQUEST_BODY_LIMIT`. */
export function bodyLimit(text = ''): number {
  const match = /^([\d.]+) *(b|kb|mb|gb)?$/i.exec(text.trim());
  return match ? Math.floor(Number(match[1]) * UNITS[(match[2] ?? 'b').toLowerCase()]!) : 10 * UNITS.mb!;
}

/** All of a body; `check` throws when it has become too long. */
export async function readBody(request: IncomingMessage, check: (length: number) => void): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // The connection has to stay, for the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    check(size);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Undefined for no body, and `{contentType, size, base64}` for those of types and in charsets that are not known here.
 * Where parts of it are picked, a form or a `text/plain` that is a JSON array or object counts as JSON. Refuses broken
 * bodies (400).
 */
export function parseBody(
  contentType: string | undefined,
  bytes: Buffer,
  { isPickedFrom = false } = {},
): unknown {
  if (!bytes.length) return;
  const { essence, charset, boundary } = mediaType(contentType);
  if (LINES_TYPES.includes(essence)) return parseLines(utf8(bytes));
  if (isJson(essence)) return parseJson(utf8(bytes));
  if (essence === '') return parseUnnamed(bytes);
  if (essence === 'multipart/form-data') return parseMultipart(boundary, bytes);
  const decode = decoder(charset ?? 'utf-8');
  if (!decode) return file(contentType, bytes);
  const isForm = essence === 'application/x-www-form-urlencoded';
  if (isPickedFrom && (isForm || essence === 'text/plain')) {
    const value = structureIn(decode(bytes));
    if (value !== undefined) return value;
  }
  if (isForm) return parseUrlEncoded(charset, decode, bytes);
  const isText = essence.startsWith('text/') || essence === 'application/xml' || essence.endsWith('+xml');
  return isText ? decode(bytes) : file(contentType, bytes);
}

/** Bytes as a value. */
export function file(contentType: string | undefined, bytes: Buffer) {
  return {
    contentType: contentType ?? 'application/octet-stream',
    size: bytes.length,
    base64: bytes.toString('base64'),
  };
}

function isJson(essence: string): boolean {
  return (
    JSON_TYPES.includes(essence) || essence.endsWith('+json') || essence.startsWith('application/x-amz-json-')
  );
}

function utf8(bytes: Buffer): string {
  return new TextDecoder().decode(bytes);
}

/** The array or object of which a text is the JSON. */
function structureIn(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return;
  try {
    return JSON.parse(text);
  } catch {
    return;
  }
}

function parseUrlEncoded(
  charset: string | undefined,
  decode: (bytes: Buffer) => string,
  bytes: Buffer,
): unknown {
  if (!charset || /^utf-?8$/i.test(charset)) return qs.parse(utf8(bytes), { allowDots: true });
  // One character per byte: escaped or not, it is the bytes of a name or value that are text.
  const unescape = (text: string) => {
    const escapes = /%([0-9a-f]{2})/gi;
    const plain = text
      .replace(/\+/g, ' ')
      .replace(escapes, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    return decode(Buffer.from(plain, 'latin1'));
  };
  return qs.parse(bytes.toString('latin1'), { allowDots: true, decoder: unescape });
}

function parseUnnamed(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8(bytes));
  } catch {
    // Text, or something else.
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return file(undefined, bytes);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The error of the engine repeats parts of the body.
    throw new Refusal(400, 'The body is not valid JSON.');
  }
}

/** Several JSON values, each on a line. */
function parseLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line.trim())
    .map(parseJson);
}

function parseMultipart(boundary: string | undefined, bytes: Buffer): unknown {
  try {
    return parseForm(boundary, bytes);
  } catch (error) {
    throw new Refusal(400, `The body is not valid multipart/form-data: ${(error as Error).message}.`);
  }
}
