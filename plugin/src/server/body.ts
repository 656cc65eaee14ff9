// Reads the body of a request, and makes a value of it by its content type, as sidehook's `src/webhook/body`.

import type { IncomingMessage } from 'node:http';
import qs from 'qs';
import { decoder, mediaType } from './charset';
import { parseForm } from './multipart';
import { Refusal } from './refusal';

const JSON_TYPES = ['application/json', 'text/json', 'application/csp-report'];
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

/** Undefined for no body. Refuses broken bodies (400) and those of other types and charsets (415). */
export function parseBody(contentType: string | undefined, bytes: Buffer): unknown {
  if (!bytes.length) return;
  const { essence, charset, boundary } = mediaType(contentType);
  if (essence === '') return parseUnnamed(utf8(bytes));
  if (JSON_TYPES.includes(essence) || essence.endsWith('+json')) return parseJson(utf8(bytes));
  if (essence === 'application/x-www-form-urlencoded') return parseUrlEncoded(charset, bytes);
  if (essence === 'multipart/form-data') return parseMultipart(boundary, bytes);
  if (essence.startsWith('text/') || essence === 'application/xml' || essence.endsWith('+xml')) {
    return decoderOf(charset)(bytes);
  }
  const accepted = 'JSON, application/x-www-form-urlencoded, multipart/form-data, text and XML';
  throw new Refusal(415, `Bodies of this type are not read; send ${accepted}.`);
}

function utf8(bytes: Buffer): string {
  return new TextDecoder().decode(bytes);
}

function decoderOf(charset = 'utf-8'): (bytes: Buffer) => string {
  const decode = decoder(charset);
  if (decode) return decode;
  throw new Refusal(415, "The charset of the body is not one of the WHATWG's encoding standard.");
}

function parseUrlEncoded(charset: string | undefined, bytes: Buffer): unknown {
  const decode = decoderOf(charset);
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

function parseUnnamed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
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

function parseMultipart(boundary: string | undefined, bytes: Buffer): unknown {
  try {
    return parseForm(boundary, bytes);
  } catch (error) {
    throw new Refusal(400, `The body is not valid multipart/form-data: ${(error as Error).message}.`);
  }
}
