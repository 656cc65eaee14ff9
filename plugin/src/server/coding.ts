// Bodies that are compressed on their way (RFC 9110, section 8.4), by the rules of sidehook's
// `src/webhook/body/coding.rs`, as far as Node.js can unpack them.

import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { Refusal } from './refusal';

type Unpack = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

/** Nobody applies more of them, but to make others work. */
const MAX_CODINGS = 4;

const inflate = promisify(zlib.inflate) as Unpack;
const inflateRaw = promisify(zlib.inflateRaw) as Unpack;

/** Without zstd: Node.js has it since 22.15 only, and takes what breaks off for whole. */
const CODINGS: Record<string, Unpack> = {
  gzip: promisify(zlib.gunzip) as Unpack,
  deflate: (bytes, options) => (isZlib(bytes) ? inflate : inflateRaw)(bytes, options),
  br: promisify(zlib.brotliDecompress) as Unpack,
};

/** The codings that a `Content-Encoding` header names, in the order in which they were applied. Refuses (415) those
 * that cannot be unpacked. */
export function codingsOf(contentEncoding = ''): string[] {
  const names = contentEncoding.split(',').map((name) => name.trim().toLowerCase());
  const applied = names.filter((name) => name && name !== 'identity');
  // Both names are one coding.
  const codings = applied.map((name) => (name === 'x-gzip' ? 'gzip' : name));
  if (codings.length <= MAX_CODINGS && codings.every((name) => Object.hasOwn(CODINGS, name))) return codings;
  // The one thing that is repeated to a sender, so it has to look like a name.
  const name = contentEncoding.replace(/[^A-Za-z0-9\-_, ]/g, '').slice(0, 40);
  throw new Refusal(415, `Unsupported Content-Encoding: ${name}. Send the body as it is.`, {
    'Accept-Encoding': Object.keys(CODINGS).join(', '),
  });
}

/** The body as it was before it was compressed. Refuses what is broken (400); `tooLong` is called for what is longer
 * than `limit`, after each coding, and throws. */
export async function unpack(
  codings: string[],
  bytes: Buffer,
  limit: number,
  tooLong: () => never,
): Promise<Buffer> {
  // Some clients name a coding for no body at all.
  if (!bytes.length) return bytes;
  let unpacked = bytes;
  for (const coding of [...codings].reverse()) {
    try {
      unpacked = await CODINGS[coding]!(unpacked, { maxOutputLength: limit });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') tooLong();
      throw new Refusal(400, `The body is not valid ${coding}.`);
    }
  }
  return unpacked;
}

/** Some clients send bare deflate, without the header of zlib. */
function isZlib(bytes: Buffer): boolean {
  return bytes.length > 1 && (bytes[0]! & 15) === 8 && bytes.readUInt16BE(0) % 31 === 0;
}
