// The surroundings of a script node's content: a console, and none of what this engine has beyond the one that
// NocoBase runs. A module without exports, so that it can be compiled beforehand: it leaves an object with functions for
// `sandbox.rs` in `globalThis.host`.
const { parse, stringify } = JSON;
const { keys } = Object;
const evaluate = globalThis.eval;
const { InternalError, String: Text } = globalThis;
const extra = ['AsyncDisposableStack', 'Atomics', 'DOMException', 'DisposableStack', 'SuppressedError', 'atob',
  'btoa', 'performance', 'queueMicrotask'];
for (const name of extra) delete globalThis[name];

let tell = null;
const console = Object.fromEntries(
  ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'dirxml', 'table', 'time', 'timeEnd', 'timeLog', 'count',
    'countReset', 'group', 'groupCollapsed', 'groupEnd', 'clear', 'assert'].map((name) => [name, (...args) => tell?.(name, args)]),
);

/** Halves of surrogate pairs are escaped in JSON, like nothing else that starts this way. */
const wellFormed = (json) =>
  json.replace(/\\\\|\\u[dD][89a-fA-F][0-9a-fA-F]{2}/g, (found) => (found === '\\\\' ? found : '\\ufffd'));

/**
 * Whether the engine has run out of memory. Where it has none left for an error of its own it throws null, like a
 * script that says so.
 */
let mayThrowNull = false;
const isOutOfMemory = (thrown) =>
  thrown === null ? !mayThrowNull : thrown instanceof InternalError && thrown.message === 'out of memory';

/** The value as quickjs-emscripten's `dump` writes it: JSON, else text. */
const written = (value) => {
  try {
    const kept = parse(stringify(value));
    if (typeof kept === 'object' && kept !== null) {
      for (const name of ['name', 'message', 'stack']) {
        if (!(name in kept) && value[name] !== undefined) kept[name] = value[name];
      }
    }
    return stringify(kept);
  } catch (thrown) {
    if (isOutOfMemory(thrown)) throw thrown;
    return Text(value);
  }
};

/** `[kind, text]`: 0 undefined, 1 text, 2 JSON, 3 a number that JSON has not, 4 a fault. */
const dump = (value) => {
  switch (typeof value) {
    case 'undefined':
      return [0, ''];
    case 'string':
      return [1, value.toWellFormed()];
    case 'number':
      return value - value === 0 ? [2, Text(value)] : [3, Text(value)];
    case 'bigint':
      return [4, 'TypeError: Do not know how to serialize a BigInt'];
    case 'symbol':
      return [2, 'null'];
    default: {
      const text = written(value);
      try {
        parse(text);
        return [2, wellFormed(text)];
      } catch (thrown) {
        if (isOutOfMemory(thrown)) throw thrown;
        return [1, text.toWellFormed()];
      }
    }
  }
};

/** What a job records for something thrown: an error that the engine did not throw itself has its class. */
const fault = (thrown, withName) => {
  if (isOutOfMemory(thrown)) return 'InternalError: out of memory';
  if (typeof thrown === 'object' && thrown !== null) {
    const { name, message } = parse(written(thrown)) ?? {};
    if (typeof message === 'string') {
      const isOverflow = name === 'RangeError' && message === 'Maximum call stack size exceeded';
      return withName && name && !isOverflow ? `${name}: ${message}` : message;
    }
  }
  return Text(thrown).toWellFormed();
};

globalThis.host = {
  console: Object.freeze(console),
  prepare(json) {
    const values = parse(json);
    for (const name of keys(values)) globalThis[name] = values[name];
  },
  /** For `equip.js`. */
  tellWith(given) {
    tell = given;
  },
  isOutOfMemory,
  /** Evaluates a text, of which it is noted whether it can throw null itself. */
  evaluate(source) {
    mayThrowNull = /throw|reject/.test(source);
    return evaluate(source);
  },
  dump,
  fault: (thrown) => fault(thrown, true).toWellFormed(),
  syntaxFault: (thrown) => fault(thrown, false).toWellFormed(),
};
