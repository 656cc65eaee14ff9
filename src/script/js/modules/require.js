// Loads modules for a script: `enter` is its `require`, `load` loads by id, `tick` runs what timers have made due.
// `native` are the functions of `modules/native/`, which only our own modules (`node:`) get to see.
(native, console) => {
  'use strict';
  const MOST_TIMERS = 10000;
  const loaded = new Map();
  const { now } = Date;

  /** What packages look at. There is no process that they could learn anything of. */
  const process = {
    argv: [],
    arch: 'x64',
    browser: false,
    cwd: () => '/',
    emitWarning() {},
    env: {},
    execArgv: [],
    hrtime: Object.assign(() => [Math.floor(now() / 1000), (now() % 1000) * 1e6], { bigint: () => BigInt(now()) * 1000000n }),
    nextTick: (callback, ...args) => void Promise.resolve().then(() => callback(...args)),
    off() {},
    on() {},
    once() {},
    pid: 1,
    platform: 'linux',
    uptime: () => 0,
    version: 'v20.0.0',
    versions: { node: '20.0.0' },
  };

  /** Globals of Node.js, for modules that mention them: scripts have none of them. */
  const globals = {
    Buffer: () => load('node:buffer').Buffer,
    TextDecoder: () => load('node:util').TextDecoder,
    TextEncoder: () => load('node:util').TextEncoder,
    URL: () => load('node:url').URL,
    URLSearchParams: () => load('node:url').URLSearchParams,
    atob: () => load('node:buffer').atob,
    btoa: () => load('node:buffer').btoa,
    clearImmediate: () => load('node:timers').clearImmediate,
    clearInterval: () => load('node:timers').clearInterval,
    clearTimeout: () => load('node:timers').clearTimeout,
    queueMicrotask: () => process.nextTick,
    setImmediate: () => load('node:timers').setImmediate,
    setInterval: () => load('node:timers').setInterval,
    setTimeout: () => load('node:timers').setTimeout,
  };

  const timers = new Map();
  let lastTimer = 0;
  native.timers = {
    add(callback, delay, args, repeats) {
      if (typeof callback !== 'function') throw native.wrongType('callback', 'of type function', callback);
      if (timers.size >= MOST_TIMERS) throw new RangeError('a script may have 10,000 timers at a time');
      const every = delay >= 1 && delay <= 2147483647 ? Math.trunc(delay) : 1;
      timers.set(++lastTimer, { at: now() + (delay < 0 ? 0 : every), callback, args, every, repeats });
      return lastTimer;
    },
    remove: (id) => timers.delete(id),
  };

  /** `The "x" argument must be … Received …`, as Node.js says it. */
  native.wrongType = (name, expected, value) => {
    let received = `type ${typeof value} (${typeof value === 'string' ? `'${value.slice(0, 25)}'` : String(value)})`;
    if (value === null || value === undefined) received = String(value);
    else if (typeof value === 'function') received = `function ${value.name}`;
    else if (typeof value === 'object') received = `an instance of ${value.constructor?.name ?? 'Object'}`;
    const text = `The "${name}" argument must be ${expected}. Received ${received}`;
    return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_TYPE' });
  };

  /** Our own modules, and those that are packed with them, need no more of them than buffers. */
  const scoped = (id, text) => (id.startsWith('file:') ? Object.keys(globals) : ['Buffer']).filter((name) => text.includes(name));

  function run(module, text) {
    const { id } = module;
    const names = scoped(id, text);
    const code = text.startsWith('#!') ? `//${text}` : text;
    // Two functions, so that a module may declare what is a global of Node.js.
    const make = native.compile(id, `(function (native, process, global, console, ${names}) { return function (exports, require, module, __filename, __dirname) {${code}\n} })`);
    const require = (request) => load(native.resolve(id, String(request)));
    require.resolve = (request) => native.resolve(id, String(request));
    require.cache = {};
    const values = names.map((name) => globals[name]());
    const body = make(id.startsWith('node:') ? native : undefined, process, globalThis, console, ...values);
    const folder = module.filename.slice(0, module.filename.lastIndexOf('/'));
    body.call(module.exports, module.exports, require, module, module.filename, folder);
  }

  function load(id) {
    const known = loaded.get(id);
    if (known) return known.exports;
    // The path as it would be in a container: nothing is told of the machine.
    const filename = id.startsWith('file:') ? `/node_modules/${id.slice(id.indexOf('/') + 1)}` : id;
    const module = { exports: {}, id, filename, loaded: false, children: [], paths: [] };
    loaded.set(id, module);
    try {
      const text = native.text(id);
      if (id.endsWith('.json')) module.exports = JSON.parse(text);
      else run(module, text);
    } catch (error) {
      loaded.delete(id);
      throw error;
    }
    module.loaded = true;
    return module.exports;
  }

  return {
    load,
    enter: (request) => load(native.enter(String(request))),
    /** Runs the timer that is due first. How many milliseconds it is until there is one; -1 without timers. */
    tick() {
      let [first, id] = [undefined, 0];
      for (const [key, timer] of timers) if (!first || timer.at < first.at) [first, id] = [timer, key];
      if (!first) return -1;
      const wait = first.at - now();
      if (wait > 0) return wait;
      if (first.repeats) first.at = now() + first.every;
      else timers.delete(id);
      first.callback(...first.args);
      return 0;
    },
  };
}
