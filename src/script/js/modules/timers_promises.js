// `timers/promises`.
const timers = require('timers');

module.exports = {
  setTimeout: (delay, value) => new Promise((done) => timers.setTimeout(done, delay, value)),
  setImmediate: (value) => new Promise((done) => timers.setImmediate(done, value)),
};
