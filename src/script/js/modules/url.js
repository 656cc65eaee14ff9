// `url`: `URL` and `URLSearchParams` by the standard, and the functions of the npm package for URLs of the older kind.
const legacy = require('pack:url');

const encoded = (text) =>
  encodeURIComponent(String(text).toWellFormed()).replace(/%20/g, '+').replace(/[!'()~]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
const decoded = (text) => {
  const plain = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(plain);
  } catch {
    // Bytes that are no UTF-8, and % that stand for themselves.
    const bytes = plain.replace(/%([0-9a-f]{2})|[^\0-\x7f]+/gi, (whole, hex) =>
      hex ? String.fromCharCode(parseInt(hex, 16)) : native.latin1(native.utf8(whole.toWellFormed())));
    return native.fromUtf8(bytes);
  }
};

class URLSearchParams {
  #pairs = [];
  #changed = () => {};
  constructor(init = '') {
    if (typeof init === 'object' && init !== null) {
      const pairs = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
      this.#pairs = Array.from(pairs, (pair) => {
        const [name, value, ...more] = pair;
        if (value === undefined || more.length) {
          throw Object.assign(new TypeError('Each query pair must be an iterable [name, value] tuple'), { code: 'ERR_INVALID_TUPLE' });
        }
        return [String(name), String(value)];
      });
    } else {
      this.#read(String(init).replace(/^\?/, ''));
    }
  }
  #read(text) {
    this.#pairs = text.split('&').filter(Boolean).map((part) => {
      const at = part.indexOf('=');
      return at < 0 ? [decoded(part), ''] : [decoded(part.slice(0, at)), decoded(part.slice(at + 1))];
    });
  }
  /** The parameters of a URL, which change it. */
  static of(text, changed) {
    const params = new URLSearchParams(text);
    params.#changed = changed;
    return params;
  }
  static reread(params, text) {
    params.#read(text.replace(/^\?/, ''));
  }
  get size() {
    return this.#pairs.length;
  }
  append(name, value) {
    this.#pairs.push([String(name), String(value)]);
    this.#changed();
  }
  delete(name, value) {
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== String(name) || (value !== undefined && pair[1] !== String(value)));
    this.#changed();
  }
  get(name) {
    return this.#pairs.find((pair) => pair[0] === String(name))?.[1] ?? null;
  }
  getAll(name) {
    return this.#pairs.filter((pair) => pair[0] === String(name)).map((pair) => pair[1]);
  }
  has(name, value) {
    return this.#pairs.some((pair) => pair[0] === String(name) && (value === undefined || pair[1] === String(value)));
  }
  set(name, value) {
    const first = this.#pairs.find((pair) => pair[0] === String(name));
    if (!first) return this.append(name, value);
    first[1] = String(value);
    this.#pairs = this.#pairs.filter((pair) => pair === first || pair[0] !== String(name));
    return this.#changed();
  }
  sort() {
    this.#pairs.sort(([one], [other]) => (one < other ? -1 : Number(one > other)));
    this.#changed();
  }
  forEach(callback, self) {
    for (const [name, value] of this.#pairs) callback.call(self, value, name, this);
  }
  *entries() {
    for (const pair of this.#pairs) yield [...pair];
  }
  *keys() {
    for (const [name] of this.#pairs) yield name;
  }
  *values() {
    for (const [, value] of this.#pairs) yield value;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  toString() {
    return this.#pairs.map((pair) => pair.map(encoded).join('=')).join('&');
  }
}
const { of: paramsOf, reread } = URLSearchParams;
delete URLSearchParams.of;
delete URLSearchParams.reread;

const PARTS = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];
const parsed = (text, base, input) => {
  try {
    return native.url(text, base);
  } catch (error) {
    throw Object.assign(error, { code: 'ERR_INVALID_URL', input });
  }
};

class URL {
  #parts;
  #params;
  constructor(text, base) {
    this.#parts = parsed(String(text).toWellFormed(), base === undefined ? undefined : String(base).toWellFormed(), String(text));
  }
  static canParse(text, base) {
    try {
      return Boolean(new URL(text, base));
    } catch {
      return false;
    }
  }
  static part(url, index) {
    return url.#parts[index];
  }
  static change(url, name, value) {
    const text = String(value).toWellFormed();
    url.#parts = name === 'href' ? parsed(text, undefined, text) : native.urlWith(url.#parts[0], name, text);
    if (url.#params && (name === 'href' || name === 'search')) reread(url.#params, url.search);
  }
  get searchParams() {
    this.#params ??= paramsOf(this.search, () => {
      this.#parts = native.urlWith(this.#parts[0], 'search', this.#params.toString());
    });
    return this.#params;
  }
  toString() {
    return this.href;
  }
  toJSON() {
    return this.href;
  }
}
const { part, change } = URL;
delete URL.part;
delete URL.change;
for (const [index, name] of PARTS.entries()) {
  Object.defineProperty(URL.prototype, name, {
    configurable: true,
    enumerable: true,
    get() {
      return part(this, index);
    },
    set(value) {
      if (name !== 'origin') change(this, name, value);
    },
  });
}

module.exports = {
  Url: legacy.Url,
  URL,
  URLSearchParams,
  format: (url, options) => (url instanceof URL ? url.href : legacy.format(url, options)),
  parse: legacy.parse,
  resolve: legacy.resolve,
  resolveObject: legacy.resolveObject,
};
