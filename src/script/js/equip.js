// Gives a script a console that somebody listens to, and `require` where there are modules. `host` is what `sandbox.js` gives;
// `native` are the functions of `modules/native/`; what they make is loaded when it is first needed. The value of this script is
// a function that returns what runs the timer that is due first.
(host, native, tells, hasModules) => {
  'use strict';
  const { tellWith, isOutOfMemory } = host;
  let opened;
  const loader = () => (opened ??= native.open()(native, console));
  if (hasModules) globalThis.require = (request) => loader().enter(request);
  const silent = ['time', 'timeEnd', 'timeLog', 'count', 'countReset', 'group', 'groupCollapsed', 'groupEnd', 'clear'];
  let goesOn = tells;
  const tell = (name, args) => {
    if (!goesOn || silent.includes(name) || (name === 'assert' && args[0])) return;
    const [first, ...rest] = name === 'assert' ? ['Assertion failed:', ...args.slice(1)] : args;
    try {
      goesOn = native.tell(name, loader().load('node:util').format(first, ...rest).toWellFormed());
    } catch (thrown) {
      // What cannot be told is no fault of the script.
      if (isOutOfMemory(thrown)) throw thrown;
    }
  };
  if (tells) tellWith(tell);
  return () => (opened ? opened.tick() : -1);
}
