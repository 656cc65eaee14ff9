// `crypto`: digests, codes, random numbers and keys from passwords; ciphers and signatures are in files beside it.
require('buffer');
const cipher = require('crypto/cipher');
const sign = require('crypto/sign');

const HASHES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha512-224', 'sha512-256'];
const fault = (Kind, code, text) => Object.assign(new Kind(text), { code });

/** The name that Rust knows a hash by. */
native.hash = (name) => {
  if (typeof name !== 'string') throw native.wrongType('algorithm', 'of type string', name);
  const plain = name.toLowerCase().replace(/^rsa-/, '').replace(/^sha2?-(1|224|256|384|512)$/, 'sha$1');
  return plain.replace(/^sha512\/(224|256)$/, 'sha512-$1');
};

class Hash {
  #name;
  #parts = [];
  #isDone = false;
  constructor(name, parts = []) {
    this.#name = native.hash(name);
    // Fails for a name that there is not.
    native.digest(this.#name, '');
    this.#parts = parts;
  }
  update(data, encoding) {
    if (this.#isDone) throw fault(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    this.#parts.push(native.data(data, encoding));
    return this;
  }
  digest(encoding) {
    if (this.#isDone) throw fault(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    this.#isDone = true;
    return native.given(native.digest(this.#name, this.#parts.join('')), encoding);
  }
  copy() {
    if (this.#isDone) throw fault(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    return new Hash(this.#name, [...this.#parts]);
  }
}

class Hmac {
  #name;
  #key;
  #parts = [];
  #isDone = false;
  constructor(name, key) {
    this.#name = native.hash(name);
    if (!HASHES.includes(this.#name)) throw fault(Error, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${name}`);
    this.#key = native.data(key, undefined, 'key');
  }
  update(data, encoding) {
    if (this.#isDone) throw fault(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    this.#parts.push(native.data(data, encoding));
    return this;
  }
  digest(encoding) {
    const made = this.#isDone ? new Uint8Array(0) : native.hmac(this.#name, this.#key, this.#parts.join(''));
    this.#isDone = true;
    return native.given(made, encoding);
  }
}

const count = (name, value, least, most) => {
  if (typeof value !== 'number') throw native.wrongType(name, 'of type number', value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw fault(RangeError, 'ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. It must be >= ${least} && <= ${most}. Received ${value}`);
  }
  return value;
};

/** With the last argument as a callback, if there is one. */
const calling = (make) => (...args) => {
  const callback = typeof args.at(-1) === 'function' ? args.pop() : undefined;
  if (!callback) return make(...args);
  const value = make(...args);
  process.nextTick(callback, null, value);
  return undefined;
};

const LARGEST = 32 << 20;
const randomBytes = calling((size) => native.wrap(native.random(count('size', size, 0, LARGEST))));
const randomInt = calling((min, max) => {
  if (max === undefined) [min, max] = [0, min];
  for (const [name, value] of [['min', min], ['max', max]]) {
    if (!Number.isSafeInteger(value)) throw native.wrongType(name, 'a safe integer', value);
  }
  if (max <= min) {
    throw fault(RangeError, 'ERR_OUT_OF_RANGE', `The value of "max" is out of range. It must be greater than the value of "min" (${min}). Received ${max}`);
  }
  const range = max - min;
  const whole = 2 ** 48;
  if (range >= whole) throw fault(RangeError, 'ERR_OUT_OF_RANGE', `The value of "max - min" is out of range. It must be <= 281474976710655. Received ${range}`);
  for (;;) {
    const number = randomBytes(6).readUIntBE(0, 6);
    // Numbers of the last, incomplete range would make some more likely.
    if (number < whole - (whole % range)) return min + (number % range);
  }
});
const randomUUID = () => {
  const bytes = randomBytes(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};
const randomFillSync = (target, offset = 0, size) => {
  const view = ArrayBuffer.isView(target) ? new Uint8Array(target.buffer, target.byteOffset, target.byteLength) : new Uint8Array(target);
  const filled = randomBytes(size ?? view.length - offset);
  view.set(filled, offset);
  return target;
};

const pbkdf2Sync = (password, salt, iterations, length, name) => {
  count('iterations', iterations, 1, 2147483647);
  count('keylen', length, 0, 2147483647);
  const hash = native.hash(name);
  if (!HASHES.includes(hash)) throw fault(TypeError, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${name}`);
  return native.wrap(native.pbkdf2(hash, native.data(password, undefined, 'password'), native.data(salt, undefined, 'salt'), iterations, length));
};
const scryptSync = (password, salt, length, options = {}) => {
  count('keylen', length, 0, 2147483647);
  const N = options.N ?? options.cost ?? 16384;
  const r = options.r ?? options.blockSize ?? 8;
  const p = options.p ?? options.parallelization ?? 1;
  const most = options.maxmem ?? 32 << 20;
  for (const [name, value] of Object.entries({ N, r, p, maxmem: most })) count(name, value, 0, 2 ** 32 - 1);
  try {
    return native.wrap(native.scrypt(native.data(password, undefined, 'password'), native.data(salt, undefined, 'salt'), length, [N, r, p, most]));
  } catch (error) {
    throw fault(RangeError, 'ERR_CRYPTO_INVALID_SCRYPT_PARAMS', error.message);
  }
};
const hkdfSync = (name, key, salt, info, length) => {
  const hash = native.hash(name);
  const size = native.digest(hash, '').length;
  count('length', length, 0, 255 * size);
  const [secret, about] = [native.data(key, undefined, 'ikm'), native.data(info, undefined, 'info')];
  const root = native.latin1(native.hmac(hash, native.data(salt, undefined, 'salt'), secret));
  let [made, last] = ['', ''];
  for (let i = 1; made.length < length; i++) {
    last = native.latin1(native.hmac(hash, root, last + about + String.fromCharCode(i)));
    made += last;
  }
  return Uint8Array.from(made.slice(0, length), (one) => one.charCodeAt(0)).buffer;
};
const timingSafeEqual = (one, other) => {
  for (const [name, value] of [['buf1', one], ['buf2', other]]) {
    if (!ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer)) {
      throw native.wrongType(name, 'an instance of ArrayBuffer, Buffer, TypedArray, or DataView', value);
    }
  }
  if (one.byteLength !== other.byteLength) {
    throw fault(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
  }
  return native.equal(native.data(one), native.data(other));
};

/** Functions that there are not: who calls one is told so. */
const absent = ['createDiffieHellman', 'createECDH', 'createPrivateKey', 'createPublicKey', 'createSecretKey',
  'generateKey', 'generateKeyPair', 'generateKeyPairSync', 'generateKeySync', 'privateDecrypt', 'privateEncrypt',
  'publicDecrypt', 'publicEncrypt'].map((name) => [name, () => {
  throw new Error(`crypto.${name} is not there for scripts in sidehook: have NocoBase run this workflow`);
}]);

module.exports = {
  ...Object.fromEntries(absent),
  ...cipher,
  ...sign,
  Hash,
  Hmac,
  createHash: (name) => new Hash(name),
  createHmac: (name, key) => new Hmac(name, key),
  getHashes: () => [...HASHES],
  getRandomValues: randomFillSync,
  hash: (name, data, encoding = 'hex') => new Hash(name).update(data).digest(encoding),
  hkdfSync,
  pbkdf2: calling(pbkdf2Sync),
  pbkdf2Sync,
  pseudoRandomBytes: randomBytes,
  randomBytes,
  randomFillSync,
  randomInt,
  randomUUID,
  scrypt: calling(scryptSync),
  scryptSync,
  timingSafeEqual,
  webcrypto: { getRandomValues: randomFillSync, randomUUID },
};
