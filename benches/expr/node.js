// The same evaluations in Node.js, with the same libraries and the same harness. Arguments: the folder of the packages,
// that of the harness, and the list of `[name, function, expression]` with the data, as JSON. Prints nanoseconds per
// evaluation as a JSON list.
const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const [packages, harness, tasks, data, rounds] = process.argv.slice(-5);
const load = createRequire(path.join(packages, 'package.json'));
load('ses');
// NocoBase makes everything anew each time.
const keep = () => ({ get() {}, set() {} });
const start = (name) => (0, eval)(fs.readFileSync(path.join(harness, name), 'utf8'))(load, keep);
const calculation = start('calculation.js');
globalThis.lockdown = () => {};
const api = { ...calculation, ...start('query.js') };

(async () => {
  const variables = JSON.parse(data);
  const out = [];
  for (const [, name, expression] of JSON.parse(tasks)) {
    const run = () => api[name](expression, name === 'math' || name === 'formula' ? { $$0: variables } : variables);
    for (let i = 0; i < rounds / 10; i++) await run();
    const begun = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) await run();
    out.push(Number(process.hrtime.bigint() - begun) / rounds);
  }
  process.stdout.write(JSON.stringify(out));
})();
