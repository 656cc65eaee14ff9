// `zlib`: the functions that give the whole at once.
require('buffer');

const LARGEST = 32 << 20;
const CODES = { 'unexpected end of file': ['Z_BUF_ERROR', -5], 'Decompression failed': ['ERR__ERROR_FORMAT', -1] };
const constants = { Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, Z_NO_FLUSH: 0, Z_SYNC_FLUSH: 2, Z_FINISH: 4 };

const pack = (format) => (data, options) =>
  native.wrap(native.pack(format, options?.level ?? -1, native.data(data, undefined, 'buffer')));

const unpack = (format) => (data, options) => {
  const bytes = native.data(data, undefined, 'buffer');
  const isGzip = bytes.startsWith('\x1f\x8b');
  try {
    const most = options?.maxOutputLength ?? LARGEST;
    return native.wrap(native.unpack(format === 'either' ? (isGzip ? 'gzip' : 'deflate') : format, most, bytes));
  } catch (error) {
    if (error.message.startsWith('Cannot create a Buffer')) {
      throw Object.assign(new RangeError(error.message), { code: 'ERR_BUFFER_TOO_LARGE' });
    }
    const [code, errno] = CODES[error.message] ?? ['Z_DATA_ERROR', -3];
    throw Object.assign(error, { code, errno });
  }
};

const functions = {
  deflate: pack('deflate'),
  deflateRaw: pack('raw'),
  gzip: pack('gzip'),
  inflate: unpack('deflate'),
  inflateRaw: unpack('raw'),
  gunzip: unpack('gzip'),
  unzip: unpack('either'),
  brotliDecompress: unpack('brotli'),
  brotliCompress() {
    throw new Error('zlib.brotliCompressSync is not there for scripts in sidehook: use gzipSync');
  },
};

/** The same with a callback. */
const later = (make) => (data, options, callback) => {
  const done = callback ?? options;
  let outcome;
  try {
    outcome = [null, make(data, callback ? options : undefined)];
  } catch (error) {
    outcome = [error];
  }
  process.nextTick(done, ...outcome);
};

module.exports = { constants, ...constants };
for (const [name, make] of Object.entries(functions)) {
  module.exports[`${name}Sync`] = make;
  module.exports[name] = later(make);
}
