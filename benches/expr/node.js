// The same evaluations in Node.js, with the same libraries, called as NocoBase calls them: everything is made anew each time.
// Arguments: the folder of the packages and that of the harness. Takes `[rounds, [[function, expression, data], …]]` as JSON, and prints nanoseconds per evaluation as a
// JSON list.
const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const [packages, harness] = process.argv.slice(-2);
const load = createRequire(path.join(packages, 'package.json'));
load('ses');
const math = load('mathjs');
const formulas = load('@formulajs/formulajs');
const names = Object.keys(formulas).filter((name) => name !== 'default');
const keep = () => ({ get() {}, set() {} });
const start = (name) => (0, eval)(fs.readFileSync(path.join(harness, name), 'utf8'))(load, keep);
start('calculation.js');
globalThis.lockdown = () => {};

const rounded = (result) => (typeof result === 'number' && Number.isFinite(result) ? math.round(result, 9) : result);
const api = {
  ...start('query.js'),
  math(expression, variables) {
    const result = math.evaluate(expression, variables);
    return result instanceof math.Matrix ? result.toArray() : rounded(result);
  },
  formula(expression, variables) {
    const globals = Object.fromEntries(names.map((name) => [name, formulas[name]]));
    return rounded(new Compartment(Object.assign(globals, variables)).evaluate(expression));
  },
};

(async () => {
  const [rounds, works] = JSON.parse(fs.readFileSync(0, 'utf8'));
  const out = [];
  for (const [name, expression, data] of works) {
    const run = async () => {
      try {
        await api[name](expression, data);
      } catch {
        // What throws takes its time, too.
      }
    };
    for (let i = 0; i < rounds / 10; i++) await run();
    const begun = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) await run();
    out.push(Number(process.hrtime.bigint() - begun) / rounds);
  }
  process.stdout.write(JSON.stringify(out));
})();
