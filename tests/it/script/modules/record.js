// Writes recorded.json: what NocoBase's own script node gives for the contents in cases.js, with modules.
//
//     npm pack @nocobase/plugin-workflow-javascript@2.2.15 && tar xzf nocobase-plugin-workflow-javascript-2.2.15.tgz
//     npm install --prefix package --no-save winston@3 joi@17 lodash@4.18.1 dayjs@1.11.23 uuid@11.1.1
//     node tests/it/script/modules/record.js package
//
// The class is taken out of the package and run as a node of a synchronous workflow, in its own worker and on this
// Node.js. `package` may also be the folder of the plugin in an installed NocoBase. Needs Node.js 20.
const { generateKeyPairSync } = require('node:crypto');
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const MODULES = 'crypto,node:crypto,buffer,url,querystring,util,path,events,assert,string_decoder,zlib,timers,node:timers,lodash,dayjs,uuid';
process.env.WORKFLOW_SCRIPT_MODULES = MODULES;

const folder = path.resolve(process.argv[2]);
class Instruction {}
const stubs = {
  '@nocobase/plugin-workflow': {
    Instruction,
    JOB_STATUS: { PENDING: 0, RESOLVED: 1, FAILED: -1, ERROR: -2, ABORTED: -3 },
    WorkflowTimeoutError: class extends Error {},
  },
};
const load = Module._load;
Module._load = (name, ...more) => stubs[name] ?? load(name, ...more);
const { default: Script } = require(path.join(folder, 'dist/server/ScriptInstruction.js'));

const pem = { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } };
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, ...pem });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256', ...pem });
const keys = { $rsa: rsa.privateKey, $rsaPublic: rsa.publicKey, $ec: ec.privateKey, $ecPublic: ec.publicKey };

/** The job as NocoBase's model would write it. */
async function run(config) {
  const logger = { info() {}, error() {} };
  const processor = { logger, getParsedValue: (value) => value, isInstructionSync: () => true };
  try {
    const { status, result } = await new Script({}, {}).run({ id: 1, key: 'n', config }, null, processor);
    return { status, result: JSON.parse(JSON.stringify(result ?? null)) };
  } catch (error) {
    return { status: -2, result: { message: error.message } };
  }
}

async function main() {
  const recorded = [];
  for (const one of require('./cases.js')) {
    const [content, values = {}, more = {}] = Array.isArray(one) ? one : [one];
    const list = Object.entries(values).map(([name, value]) => ({ name, value: keys[value] ?? value }));
    const config = { content, ...(list.length && { arguments: list }), ...more };
    recorded.push({ config, ...(await run(config)) });
  }
  const lines = recorded.map((one) => JSON.stringify(one)).join(',\n');
  fs.writeFileSync(path.join(__dirname, 'recorded.json'), `{"modules": "${MODULES}", "cases": [\n${lines}\n]}\n`);
  process.exit(0);
}
main();
