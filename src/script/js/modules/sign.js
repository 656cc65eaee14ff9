// Signatures of `crypto`.
require('buffer');

const constants = {
  RSA_PKCS1_PADDING: 1,
  RSA_NO_PADDING: 3,
  RSA_PKCS1_OAEP_PADDING: 4,
  RSA_PKCS1_PSS_PADDING: 6,
  RSA_PSS_SALTLEN_DIGEST: -1,
  RSA_PSS_SALTLEN_MAX_SIGN: -2,
  RSA_PSS_SALTLEN_AUTO: -2,
};
const SIZES = { sha256: 32, sha384: 48, sha512: 64 };

/** What is asked of a key: its text, and how it is to be used. */
const asked = (key, hash) => {
  const isOptions = typeof key === 'object' && key !== null && !ArrayBuffer.isView(key) && !(key instanceof ArrayBuffer);
  const { key: inner, padding = 1, saltLength, dsaEncoding = 'der', passphrase } = isOptions ? key : { key };
  if (passphrase !== undefined) throw new Error('encrypted private keys are not taken here: give the key without a passphrase');
  if (padding !== 1 && padding !== 6) throw new Error('signatures here have the padding PKCS #1 or PSS');
  const isPss = padding === 6;
  if (isPss && saltLength > 0 && saltLength !== SIZES[hash]) throw new Error('the salt of a PSS signature is as long as its hash here');
  return { pem: native.data(inner, undefined, 'key'), isPss, isRaw: dsaEncoding === 'ieee-p1363' };
};

/** The two numbers of a signature of an elliptic curve, out of DER and into it. */
const toRaw = (der, size) => {
  const numbers = [];
  for (let at = 2; numbers.length < 2; ) {
    const length = der.charCodeAt(at + 1);
    numbers.push(der.slice(at + 2, at + 2 + length).replace(/^\0+/, '').padStart(size, '\0'));
    at += 2 + length;
  }
  return numbers.join('');
};
const toDer = (raw) => {
  const number = (bytes) => {
    const short = bytes.replace(/^\0+(?=[^])/, '');
    const positive = short.charCodeAt(0) > 127 ? `\0${short}` : short;
    return `\x02${String.fromCharCode(positive.length)}${positive}`;
  };
  const inner = number(raw.slice(0, raw.length / 2)) + number(raw.slice(raw.length / 2));
  return `0${String.fromCharCode(inner.length)}${inner}`;
};

const made = (hash, message, key) => {
  const { pem, isPss, isRaw } = asked(key, hash);
  const signature = native.sign(hash, isPss, pem, message);
  const isOfCurve = isRaw && signature[0] === 0x30 && signature.length < 120;
  if (!isOfCurve) return signature;
  return Uint8Array.from(toRaw(native.latin1(signature), SIZES[hash]), (one) => one.charCodeAt(0));
};
const isRight = (hash, message, key, signature) => {
  const { pem, isPss, isRaw } = asked(key, hash);
  const isOfCurve = isRaw && signature.length < 120;
  return native.verify(hash, isPss, pem, message, isOfCurve ? toDer(signature) : signature);
};

class Message {
  hash;
  text = '';
  constructor(name) {
    this.hash = native.hash(name);
    if (!(this.hash in SIZES)) throw Object.assign(new Error('Invalid digest: ' + name), { code: 'ERR_CRYPTO_INVALID_DIGEST' });
  }
  update(data, encoding) {
    this.text += native.data(data, encoding);
    return this;
  }
  end(data, encoding) {
    if (data !== undefined) this.update(data, encoding);
    return this;
  }
}
class Sign extends Message {
  sign(key, encoding) {
    return native.given(made(this.hash, this.text, key), encoding);
  }
}
class Verify extends Message {
  verify(key, signature, encoding) {
    return isRight(this.hash, this.text, key, native.data(signature, encoding, 'signature'));
  }
}

const hashOf = (name) => (name === null || name === undefined ? '' : native.hash(name));
module.exports = {
  Sign,
  Verify,
  constants,
  createSign: (name) => new Sign(name),
  createVerify: (name) => new Verify(name),
  sign: (name, data, key) => native.wrap(made(hashOf(name), native.data(data), key)),
  verify: (name, data, key, signature) => isRight(hashOf(name), native.data(data), key, native.data(signature)),
};
