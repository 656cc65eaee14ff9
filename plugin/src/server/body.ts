// Reads the body of a request, and makes a value of it by its content type, as sidehook's `src/webhook/body.rs`.

import type { IncomingMessage } from 'node:http';
import busboy from 'busboy';
import qs from 'qs';
import { Refusal } from './refusal';

const JSON_TYPES = ['application/json', 'text/json', 'application/csp-report'];
const UNITS: Record<string, number> = { b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 };

/** `10mb`, `512 kb`, `1048576`: the forms of NocoBase's `REQUEST_BODY_LIMIT`. */
export function bodyLimit(text = ''): number {
  const match = /^([\d.]+) *(b|kb|mb|gb)?$/i.exec(text.trim());
  return match ? Math.floor(Number(match[1]) * UNITS[(match[2] ?? 'b').toLowerCase()]!) : 10 * UNITS.mb!;
}

export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () => new Refusal(413, `The body is larger than ${limit} bytes.`, { Connection: 'close' });
  if (Number(request.headers['content-length']) > limit) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  // The connection has to stay, for the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Undefined for no body. Refuses broken bodies (400) and those of other types (415). */
export async function parseBody(contentType: string | undefined, bytes: Buffer): Promise<unknown> {
  if (!bytes.length) return;
  const essence = (contentType ?? '').split(';')[0]!.trim().toLowerCase();
  if (essence === '') return parseUnnamed(bytes.toString('utf8'));
  if (JSON_TYPES.includes(essence) || essence.endsWith('+json')) return parseJson(bytes.toString('utf8'));
  if (essence === 'application/x-www-form-urlencoded')
    return qs.parse(bytes.toString('utf8'), { allowDots: true });
  if (essence === 'multipart/form-data') return parseMultipart(contentType!, bytes);
  if (essence.startsWith('text/') || essence === 'application/xml' || essence.endsWith('+xml')) {
    return decode(contentType!, bytes);
  }
  const accepted = 'JSON, application/x-www-form-urlencoded, multipart/form-data, text and XML';
  throw new Refusal(415, `Bodies of this type are not read; send ${accepted}.`);
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

function decode(contentType: string, bytes: Buffer): string {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    throw new Refusal(415, 'The charset of the body is not known.');
  }
}

/** Fields as text, files as `{filename, contentType, size, base64}`, several of one name as a list. */
function parseMultipart(contentType: string, bytes: Buffer): Promise<unknown> {
  const parts = new Map<string, unknown[]>();
  const add = (name: string | undefined, value: unknown) => {
    if (name === undefined) throw new Error('a part has no name');
    parts.set(name, [...(parts.get(name) ?? []), value]);
  };
  return new Promise<unknown>((resolve, reject) => {
    const limits = { fieldSize: Infinity, fieldNameSize: 1024 };
    const parser = busboy({ headers: { 'content-type': contentType }, limits, defParamCharset: 'utf8' });
    parser.on('field', (name, value) => add(name, value));
    parser.on('file', (name, stream, { filename, mimeType }) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const content = Buffer.concat(chunks);
        add(name, {
          filename,
          contentType: mimeType,
          size: content.length,
          base64: content.toString('base64'),
        });
      });
    });
    parser.on('close', () => {
      const one = ([name, values]: [string, unknown[]]) => [name, values.length === 1 ? values[0] : values];
      resolve(Object.fromEntries([...parts].map(one)));
    });
    parser.on('error', reject);
    parser.end(bytes);
  }).catch(() => {
    throw new Refusal(400, 'The body is not a valid multipart form.');
  });
}
