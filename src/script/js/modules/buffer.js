// `buffer`: the npm package, with UTF-8 in Rust and the encoding base64url, which it lacks. Also how bytes go to Rust
// and back, for the other modules.
const buffer = require('pack:buffer');

const { Buffer, SlowBuffer, kMaxLength } = buffer;
const { from, byteLength, isEncoding } = Buffer;
const { toString } = Buffer.prototype;
const PART = 8192;

const isUtf8 = (encoding) => encoding === undefined || encoding === null || /^utf-?8$/i.test(encoding);
const isBase64url = (encoding) => /^base64url$/i.test(String(encoding));
const clamp = (place, length, otherwise) => {
  if (place === undefined) return otherwise;
  const whole = Math.trunc(Number(place)) || 0;
  return Math.min(Math.max(whole, 0), length);
};

/** A text with a character for each byte. */
native.latin1 = (bytes) => {
  const parts = [];
  for (let i = 0; i < bytes.length; i += PART) parts.push(String.fromCharCode.apply(null, bytes.subarray(i, i + PART)));
  return parts.join('');
};
/** A buffer over an array, without a copy. */
native.wrap = (bytes) => from(bytes.buffer, bytes.byteOffset, bytes.length);
/** The bytes of a text, a view or a buffer, as a text with a character for each. */
native.data = (value, encoding, name = 'data') => {
  if (typeof value === 'string') return native.latin1(Buffer.from(value, encoding === 'buffer' ? 'utf8' : encoding));
  if (ArrayBuffer.isView(value)) return native.latin1(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (value instanceof ArrayBuffer) return native.latin1(new Uint8Array(value));
  throw native.wrongType(name, 'of type string or an instance of Buffer, TypedArray, or DataView', value);
};
/** What a function gives: a buffer, or a text in an encoding. */
native.given = (bytes, encoding) => {
  const made = native.wrap(bytes);
  return encoding === undefined || encoding === null || encoding === 'buffer' ? made : made.toString(encoding);
};

Buffer.from = (value, encoding, length) => {
  if (typeof value === 'string' && isUtf8(encoding)) return native.wrap(native.utf8(value.toWellFormed()));
  if (typeof value === 'string' && isBase64url(encoding)) return from(value, 'base64');
  return from(value, encoding, length);
};
Buffer.byteLength = (value, encoding) => {
  if (typeof value !== 'string') return byteLength(value, encoding);
  return isUtf8(encoding) || isBase64url(encoding) ? Buffer.from(value, encoding).length : byteLength(value, encoding);
};
Buffer.isEncoding = (encoding) => isBase64url(encoding) || isEncoding(encoding);
Buffer.prototype.toString = function (encoding, start, end) {
  if (isUtf8(encoding)) {
    const first = clamp(start, this.length, 0);
    return native.fromUtf8(native.latin1(this.subarray(first, Math.max(first, clamp(end, this.length, this.length)))));
  }
  if (isBase64url(encoding)) {
    return toString.call(this, 'base64', start, end).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  }
  return toString.call(this, encoding, start, end);
};
Buffer.prototype.toLocaleString = Buffer.prototype.toString;

module.exports = {
  Buffer,
  SlowBuffer,
  INSPECT_MAX_BYTES: 50,
  atob: (text) => Buffer.from(String(text), 'base64').toString('latin1'),
  btoa: (text) => Buffer.from(String(text), 'latin1').toString('base64'),
  constants: { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: 536870888 },
  kMaxLength,
  kStringMaxLength: 536870888,
};
