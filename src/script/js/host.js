// What the libraries expect of their surroundings, and what is made of what they throw. The value of this
// script is an object with functions for `realm.rs`.
(() => {
  'use strict';
  const silent = () => {};
  const methods = ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'dirxml', 'table', 'time', 'timeEnd',
    'timeLog', 'count', 'countReset', 'group', 'groupCollapsed', 'groupEnd', 'clear', 'assert'];
  globalThis.console = Object.fromEntries(methods.map((name) => [name, silent]));

  // It could stop the whole thread.
  delete globalThis.Atomics;

  // With these two `ses` takes the engine for V8 and shows no stack that could be read.
  delete Error.captureStackTrace;
  delete Error.prepareStackTrace;

  // The modules of Node.js that the libraries ask for. Only seedrandom uses one of them, for its first seed.
  const builtIn = {
    crypto: { randomBytes: (length) => Uint8Array.from({ length }, () => Math.random() * 256) },
    vm: {},
  };

  const { getTime } = Date.prototype;
  const { toWellFormed } = String.prototype;

  return {
    /** What plain objects inherit from. */
    plain: Object.prototype,

    /** Without halves of surrogate pairs. */
    wellFormed: (text) => Reflect.apply(toWellFormed, text, []),

    /** V8 names the time zone in the text of a date; `text` makes such a text of milliseconds. */
    writeDatesWith(text) {
      const methods = {
        toString() {
          return text(Reflect.apply(getTime, this, []));
        },
        toTimeString() {
          const time = Reflect.apply(getTime, this, []);
          // Behind the weekday, the month, the day and the year.
          return time - time === 0 ? text(time).split(' ').slice(4).join(' ') : text(time);
        },
      };
      for (const name of ['toString', 'toTimeString']) {
        Object.defineProperty(Date.prototype, name, { ...Object.getOwnPropertyDescriptor(Date.prototype, name), value: methods[name] });
      }
    },

    /** `[1, milliseconds]` of a date, `[2, value]` of what stands for another value in JSON, else `[0]`. */
    unwrap(object) {
      if (object instanceof Date) {
        try {
          return [1, Reflect.apply(getTime, object, [])];
        } catch {
          // It only inherits from dates.
        }
      }
      if (typeof object.toJSON === 'function') return [2, object.toJSON('')];
      if (object instanceof Number) return [2, Number(object)];
      if (object instanceof String) return [2, String(object)];
      if (object instanceof Boolean || object instanceof BigInt) return [2, object.valueOf()];
      return [0];
    },

    /** `require` for the entries of a pack that `build.rs` has made. */
    loader([modules, entries]) {
      const loaded = new Map();
      const load = (id) => {
        if (loaded.has(id)) return loaded.get(id).exports;
        const module = { exports: {} };
        loaded.set(id, module);
        const [run, leads] = modules[id];
        run.call(module.exports, module.exports, (request) => {
          if (Object.hasOwn(leads, request)) return load(leads[request]);
          if (Object.hasOwn(builtIn, request)) return builtIn[request];
          throw new Error(`Cannot find module '${request}'`);
        }, module);
        return module.exports;
      };
      return (name) => load(entries[name]);
    },

    /** What was thrown: `[is it an error, its text, name, message, own members, stack]`. */
    describe(thrown) {
      const text = (make) => {
        try {
          return String(make());
        } catch {
          return '';
        }
      };
      if (!(thrown instanceof Error)) {
        return [false, text(() => thrown), '', '', thrown, ''];
      }
      const { stack, ...own } = thrown;
      delete own.message;
      return [true, '', text(() => thrown.name), text(() => thrown.message), own, text(() => stack)];
    },
  };
})()
