// Writes recorded.json: what NocoBase's own fields calculate and keep.
//
//     mkdir packages && cd packages && npm init -y
//     npm install --ignore-scripts @nocobase/evaluators@2.2.15 @nocobase/plugin-field-formula@2.2.15 @nocobase/plugin-map@2.2.15
//     node tests/it/collection/computed/record.js packages/node_modules
//
// The classes of the fields are taken out of the packages of the plugins; what they extend is replaced. The folder may
// also be the `node_modules` of an installed NocoBase. Needs Node.js 20.
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const folder = path.resolve(process.argv[2]);
class Field {
  constructor(options, context) {
    Object.assign(this, { options, context });
  }
}
const types = new Proxy({}, { get: (_, name) => (name === 'ABSTRACT' ? class {} : () => name) });
const stubs = { '@nocobase/database': { Field, DataTypes: types } };
const load = Module._load;
Module._load = (name, ...more) => stubs[name] ?? load(name, ...more);
const own = (file) => require(path.join(folder, '@nocobase', file));
const { FormulaField } = own('plugin-field-formula/dist/server/formula-field.js');
console.error = () => {};

const record = { price: 12.5, count: 3, name: 'Größe 7b', ok: true, at: new Date('2024-02-29T10:00:00.000Z'), list: [{ n: 1 }, { n: 2 }], none: null };
const formulas = [
  ['{{price}} * {{count}}', 'math.js', 'double'], ['{{price}} * {{count}}', undefined, undefined],
  ['{{price}} / 3', 'math.js', 'integer'], ['-{{price}} / 3', 'math.js', 'bigInt'], ['{{price}} > 10', 'math.js', 'boolean'],
  ['1 / 0', 'math.js', 'double'], ['{{price}} +', 'math.js', 'double'], ['{{none}} + 1', 'math.js', 'double'], ['{{missing.x}}', 'math.js', 'double'],
  [`concat({{name}}, '!')`, 'math.js', 'string'], ['sum({{list.n}})', 'math.js', 'integer'], ['[1, 2]', 'math.js', 'string'], ['sqrt(-1)', 'math.js', 'double'],
  ['SUM({{price}}, {{count}})', 'formula.js', 'double'], [`CONCATENATE({{name}}, '-', {{count}})`, 'formula.js', 'string'], [`IF({{ok}}, 'yes', 'no')`, 'formula.js', 'string'],
  ['{{at}}', 'formula.js', 'date'], ['{{at}}', 'formula.js', 'double'], ['{{at}}', 'formula.js', 'string'], ['DATE(2024, 2, 29)', 'formula.js', 'boolean'],
  [`'12.7px'`, 'formula.js', 'integer'], [`'12.7px'`, 'formula.js', 'double'], [`'px'`, 'formula.js', 'double'], ['nope()', 'formula.js', 'double'],
  ['{{count}} ? 1 : 0', 'formula.js', 'boolean'], ['0', 'formula.js', 'date'], [`'2024-01-02T03:04:05Z'`, 'formula.js', 'date'],
  ['{{name}} costs {{price}}', 'string', 'string'], ['{{count}}{{none}}', 'string', 'integer'], ['{{price}}', 'string', 'double'],
  ['{{price}}', 'nope', 'double'], [undefined, 'math.js', 'double'], ['0.1 + 0.2', 'math.js', 'double'], ['true', 'math.js', 'integer'],
].map(([expression, engine, dataType]) => {
  const options = { type: 'formula', expression, engine, dataType };
  const field = new FormulaField(options, {});
  return { options, result: JSON.parse(JSON.stringify(field.calculate(structuredClone(record)) ?? null)) };
});

const values = {
  point: [[114.5, 22.25], [-1, 0], [], null, 'x', { x: 1 }],
  lineString: [[[1, 2], [3.5, -4]], [], null],
  polygon: [[[1, 2], [3, 4], [5, 6.5]], [], null],
  circle: [[1, 2, 0.5], [], null],
};
const geometry = [];
for (const dialect of ['postgres', 'mysql', 'sqlite']) {
  for (const [type, given] of Object.entries(values)) {
    const { [`${type[0].toUpperCase()}${type.slice(1)}Field`]: Kind } = own(`plugin-map/dist/server/fields/${type}.js`);
    const { options } = new Kind({ name: 'f', type }, { database: { sequelize: { getDialect: () => dialect } } });
    for (const value of given) {
      const model = { getDataValue: () => model.kept, setDataValue: (_, kept) => { model.kept = kept; } };
      let thrown;
      try {
        options.set.call(model, value);
      } catch (error) {
        thrown = error.message;
      }
      const shown = thrown ? null : options.get.call(model);
      geometry.push({ dialect, type, value, ...(thrown ? { thrown } : { kept: model.kept, shown }) });
    }
  }
}
fs.writeFileSync(path.join(__dirname, 'recorded.json'), `${JSON.stringify({ record, formulas, geometry }, null, 1)}\n`);
process.exit(0);
