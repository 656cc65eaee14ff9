// What NocoBase records of a script that may load modules: it comes out of a worker of Node.js by a structured clone,
// and is written as JSON. The value of this script is `{ dump, fault }`, as `sandbox.js` has them.
(() => {
  'use strict';
  const { stringify } = JSON;
  const { String: Text, Map: Seen, Error: Fault } = globalThis;
  const { toWellFormed } = Text.prototype;
  const { keys, setPrototypeOf, create, hasOwn } = Object;
  const { isArray } = Array;
  const kinds = [WeakMap, WeakSet, WeakRef, Promise];
  const opaque = [Map, Set, RegExp, ArrayBuffer, DataView, Fault];

  const uncloneable = (text) => new Fault(`${text} could not be cloned.`);

  /** The value as plain arrays and objects, which JSON takes as they are: none of them has a `toJSON` any more. */
  const cloned = (value, seen) => {
    if (typeof value === 'function') throw uncloneable(Text(value));
    if (typeof value === 'symbol') throw uncloneable(Text(value));
    if (typeof value === 'bigint') throw new TypeError('Do not know how to serialize a BigInt');
    if (typeof value !== 'object' || value === null) return typeof value === 'string' ? toWellFormed.call(value) : value;
    if (seen.has(value)) {
      if (seen.get(value) === undefined) throw new TypeError('Converting circular structure to JSON');
      return seen.get(value);
    }
    for (const kind of kinds) if (value instanceof kind) throw uncloneable(`#<${kind.name}>`);
    if (value instanceof Date) return Number.isNaN(+value) ? null : new Date(+value).toISOString();
    for (const kind of [Number, Text, Boolean]) if (value instanceof kind) return kind(value);
    seen.set(value, undefined);
    const copy = isArray(value) ? [] : create(null);
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) copy.push(cloned(value[i], seen));
      setPrototypeOf(copy, null);
    } else if (!opaque.some((kind) => value instanceof kind)) {
      for (const key of keys(value)) copy[key] = cloned(value[key], seen);
    }
    seen.set(value, copy);
    return copy;
  };

  return {
    /** `[kind, text]`, as in `sandbox.js`. */
    dump(value) {
      if (value === undefined) return [0, ''];
      try {
        return [2, stringify(cloned(value, new Seen()))];
      } catch (thrown) {
        if (thrown === null || thrown instanceof InternalError) throw thrown;
        // NocoBase records null for what cannot be cloned: the reason gets lost.
        const isOfJson = thrown instanceof TypeError && /serialize a BigInt|circular structure/.test(thrown.message);
        return [4, toWellFormed.call(isOfJson ? `TypeError: ${thrown.message}` : Text(thrown?.message ?? thrown))];
      }
    },
    /** `[name, message, stack]` of an error, `['', text, '']` of something else. */
    fault(thrown) {
      const isError = typeof thrown === 'object' && thrown !== null && (thrown instanceof Fault || hasOwn(thrown, 'stack'));
      if (isError) return [thrown.name, thrown.message, thrown.stack].map((part) => toWellFormed.call(Text(part ?? '')));
      const reason = toWellFormed.call(Text(thrown));
      return ['', `This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason "${reason}".`, ''];
    },
  };
})()
