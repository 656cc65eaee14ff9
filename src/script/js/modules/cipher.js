// Ciphers of `crypto`: AES in the modes CBC, CTR and GCM. A part of a message comes out as soon as it can.
const { Buffer } = require('buffer');
const { StringDecoder } = require('string_decoder');

const BLOCK = 16;
const NAMES = [128, 192, 256].flatMap((bits) => ['cbc', 'ctr', 'gcm'].map((mode) => `aes-${bits}-${mode}`));
const fault = (code, text, Kind = Error) => Object.assign(new Kind(text), { code });
const wrongLength = () => fault('ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH', 'error:1C80006B:Provider routines::wrong final block length');
const badDecrypt = () => fault('ERR_OSSL_BAD_DECRYPT', 'error:1C800064:Provider routines::bad decrypt');

/** Whole blocks, each with the one before it; a message is filled up to whole blocks. */
class Chain {
  pads = true;
  #rest = '';
  constructor(encrypts, key, iv) {
    Object.assign(this, { encrypts, key, iv });
  }
  #blocks(blocks) {
    if (blocks === '') return '';
    const out = native.latin1(native.cbc(this.encrypts, this.key, this.iv, blocks));
    this.iv = (this.encrypts ? out : blocks).slice(-BLOCK);
    return out;
  }
  update(data) {
    const all = this.#rest + data;
    let whole = all.length - (all.length % BLOCK);
    // The last block may be the one that was filled up.
    if (!this.encrypts && this.pads && whole === all.length) whole -= BLOCK;
    whole = Math.max(whole, 0);
    this.#rest = all.slice(whole);
    return this.#blocks(all.slice(0, whole));
  }
  final() {
    const rest = this.#rest;
    if (!this.pads) {
      if (rest !== '') throw wrongLength();
      return '';
    }
    if (this.encrypts) {
      const missing = BLOCK - rest.length;
      return this.#blocks(rest + String.fromCharCode(missing).repeat(missing));
    }
    if (rest.length !== BLOCK) throw wrongLength();
    const out = this.#blocks(rest);
    const filled = out.charCodeAt(BLOCK - 1);
    if (filled < 1 || filled > BLOCK || out.slice(-filled) !== out.at(-1).repeat(filled)) throw badDecrypt();
    return out.slice(0, BLOCK - filled);
  }
}

class Stream {
  #place = 0;
  constructor(encrypts, key, iv) {
    Object.assign(this, { key, iv });
  }
  update(data) {
    const out = native.latin1(native.ctr(this.key, this.iv, this.#place, data));
    this.#place += data.length;
    return out;
  }
  final() {
    return '';
  }
}

class Authenticated {
  about = '';
  tag = undefined;
  #in = '';
  #out = '';
  constructor(encrypts, key, iv) {
    Object.assign(this, { encrypts, key, iv });
  }
  update(data) {
    // What is encrypted twice is what it was, so that this serves both ways.
    this.#in += data;
    const done = this.#out.length;
    this.#out = native.latin1(native.gcm(this.key, this.iv, this.about, this.#in).subarray(0, -BLOCK));
    return this.#out.slice(done);
  }
  final() {
    const plain = this.encrypts ? this.#in : this.#out;
    const tag = native.latin1(native.gcm(this.key, this.iv, this.about, plain).subarray(-BLOCK));
    if (this.encrypts) {
      this.tag = tag;
      return '';
    }
    const isRight = this.tag !== undefined && native.equal(tag.slice(0, this.tag.length), this.tag);
    if (!isRight) throw new Error('Unsupported state or unable to authenticate data');
    return '';
  }
}

class Cipher {
  #mode;
  #isDone = false;
  #decoder;
  #tagLength;
  constructor(encrypts, name, key, iv, options = {}) {
    if (typeof name !== 'string') throw native.wrongType('cipher', 'of type string', name);
    const known = name.toLowerCase();
    if (!NAMES.includes(known)) throw fault('ERR_CRYPTO_UNKNOWN_CIPHER', 'Unknown cipher');
    const [, bits, kind] = known.split('-');
    const [keyBytes, ivBytes] = [native.data(key, undefined, 'key'), native.data(iv, undefined, 'iv')];
    if (kind === 'gcm' ? ivBytes === '' : ivBytes.length !== BLOCK) {
      throw fault('ERR_CRYPTO_INVALID_IV', 'Invalid initialization vector', TypeError);
    }
    if (keyBytes.length !== bits / 8) throw fault('ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length', RangeError);
    if (kind === 'gcm' && ivBytes.length !== 12 && ivBytes.length !== 16) {
      throw new Error('an initialization vector for GCM has 12 or 16 bytes here');
    }
    this.#tagLength = options?.authTagLength ?? BLOCK;
    this.#mode = new { cbc: Chain, ctr: Stream, gcm: Authenticated }[kind](encrypts, keyBytes, ivBytes);
  }
  #given(text, encoding, isLast) {
    const bytes = Buffer.from(text, 'latin1');
    if (encoding === undefined || encoding === null || encoding === 'buffer') return bytes;
    if (!Buffer.isEncoding(encoding) || /^base64url$/i.test(encoding)) return bytes.toString(encoding);
    this.#decoder ??= new StringDecoder(encoding);
    return isLast ? this.#decoder.end(bytes) : this.#decoder.write(bytes);
  }
  update(data, from, to) {
    if (this.#isDone) throw fault('ERR_CRYPTO_INVALID_STATE', 'Trying to add data in unsupported state');
    return this.#given(this.#mode.update(native.data(data, from ?? undefined)), to, false);
  }
  final(to) {
    if (this.#isDone) throw fault('ERR_CRYPTO_INVALID_STATE', 'Unsupported state');
    this.#isDone = true;
    return this.#given(this.#mode.final(), to, true);
  }
  setAutoPadding(pads = true) {
    this.#mode.pads = Boolean(pads);
    return this;
  }
  setAAD(data) {
    this.#mode.about = (this.#mode.about ?? '') + native.data(data);
    return this;
  }
  setAuthTag(tag, encoding) {
    const bytes = native.data(tag, encoding, 'buffer');
    if (![4, 8, 12, 13, 14, 15, 16].includes(bytes.length)) {
      throw fault('ERR_CRYPTO_INVALID_AUTH_TAG', `Invalid authentication tag length: ${bytes.length}`, TypeError);
    }
    this.#mode.tag = bytes;
    return this;
  }
  getAuthTag() {
    if (this.#mode.tag === undefined) throw fault('ERR_CRYPTO_INVALID_STATE', 'Invalid state for operation getAuthTag');
    return Buffer.from(this.#mode.tag, 'latin1').subarray(0, this.#tagLength);
  }
}

module.exports = {
  createCipheriv: (...args) => new Cipher(true, ...args),
  createDecipheriv: (...args) => new Cipher(false, ...args),
  getCiphers: () => [...NAMES],
};
