// `timers`. A script waits for its timers as long as it may run.
class Timeout {
  constructor(callback, delay, args, repeats) {
    Object.defineProperty(this, 'start', { value: () => native.timers.add(callback, delay, args, repeats) });
    Object.defineProperty(this, 'id', { value: this.start(), writable: true });
  }
  close() {
    native.timers.remove(this.id);
    return this;
  }
  refresh() {
    this.close().id = this.start();
    return this;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return true;
  }
  [Symbol.toPrimitive]() {
    return this.id;
  }
}

const clear = (timer) => {
  if (timer !== undefined && timer !== null) native.timers.remove(Number(timer));
};

module.exports = {
  setTimeout: (callback, delay = 1, ...args) => new Timeout(callback, Number(delay), args, false),
  setInterval: (callback, delay = 1, ...args) => new Timeout(callback, Number(delay), args, true),
  setImmediate: (callback, ...args) => new Timeout(callback, -1, args, false),
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: clear,
  get promises() {
    return require('timers/promises');
  },
};
