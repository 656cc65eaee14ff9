// `util`: the npm package, with what Node.js has got since.
require('buffer');
const util = require('pack:util');
const { isDeepStrictEqual } = require('pack:assert/build/internal/util/comparisons.js');

class TextEncoder {
  encoding = 'utf-8';
  encode(text = '') {
    return native.utf8(String(text).toWellFormed());
  }
}

const LABELS = { 'utf-8': 'utf-8', utf8: 'utf-8', 'utf-16le': 'utf-16le', latin1: 'latin1', 'iso-8859-1': 'latin1', ascii: 'latin1' };
class TextDecoder {
  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    const encoding = LABELS[String(label).trim().toLowerCase()];
    if (!encoding) throw Object.assign(new RangeError(`The "${label}" encoding is not supported`), { code: 'ERR_ENCODING_NOT_SUPPORTED' });
    Object.assign(this, { encoding, fatal, ignoreBOM });
  }
  decode(bytes = new Uint8Array(0)) {
    const data = native.data(bytes);
    if (this.encoding === 'latin1') return data;
    const text = this.encoding === 'utf-8' ? native.fromUtf8(data) : Buffer.from(data, 'latin1').toString('utf16le');
    if (this.fatal && this.encoding === 'utf-8' && native.latin1(native.utf8(text)) !== data) {
      throw Object.assign(new TypeError('The encoded data was not valid for encoding utf-8'), { code: 'ERR_ENCODING_INVALID_ENCODED_DATA' });
    }
    return this.ignoreBOM ? text : text.replace(/^\ufeff/, '');
  }
}

module.exports = {
  ...util,
  TextDecoder,
  TextEncoder,
  isDeepStrictEqual,
  stripVTControlCharacters: (text) => String(text).replace(/\u001b\[[0-9;]*[A-Za-z]/g, ''),
  toUSVString: (text) => String(text).toWellFormed(),
};
