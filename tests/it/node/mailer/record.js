// Fills `status` and `result` of the cases in recorded.json: what NocoBase's own mailer node records.
//
//     npm pack @nocobase/plugin-workflow-mailer@2.2.15 && tar xzf nocobase-plugin-workflow-mailer-2.2.15.tgz
//     NODE_EXTRA_CA_CERTS=tests/tls/mail-ca.pem node tests/it/node/mailer/record.js package
//
// The class is taken out of the package and run with a workflow of its own. What differs each time is replaced by
// PORT, TIME, SIZE and ID. Needs Node.js 20 and python3-aiosmtpd.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const folder = path.resolve(process.argv[2]);
const file = path.join(__dirname, 'recorded.json');
const tls = path.join(__dirname, '../../../tls');

class Instruction {}
const stubs = {
  '@nocobase/plugin-workflow': {
    Instruction,
    JOB_STATUS: { PENDING: 0, RESOLVED: 1, FAILED: -1, ERROR: -2, ABORTED: -3 },
    EXECUTION_STATUS: { STARTED: 0 },
    WorkflowTimeoutError: class extends Error {},
  },
  '@nocobase/plugin-file-manager': {},
  'lodash/get': (object, at) => at.split('.').reduce((value, key) => value?.[key], object),
};
const load = Module._load;
Module._load = (name, ...more) => stubs[name] ?? load(name, ...more);
const Mailer = require(path.join(folder, 'dist/server/MailerInstruction.js')).default;

async function start(options) {
  const args = [path.join(__dirname, 'server.py')];
  const certificate = path.join(tls, options.certificate ?? 'mail');
  if (options.tls) args.push('--tls', options.tls, `${certificate}.pem`, `${certificate}.key`);
  if (options.auth) args.push('--auth', ...options.auth);
  if (options.raw !== undefined) args.push('--raw', options.raw);
  if (options.hang) args.push('--hang');
  const child = spawn('/usr/bin/python3', args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const line = await new Promise((resolve) => child.stdout.once('data', (data) => resolve(data.toString())));
  return { child, port: JSON.parse(line.split('\n')[0]).port };
}

async function run(config) {
  const processor = {
    execution: { workflow: { options: {} } },
    getParsedValue: (value) => structuredClone(value),
    isInstructionSync: () => true,
  };
  try {
    return await new Mailer().run({ id: 1, key: 'n', config }, null, processor);
  } catch (error) {
    return { status: -2, result: { message: error.message } };
  }
}

function masked(result, port) {
  const text = JSON.stringify(result)
    .replace(/("(?:envelopeTime|messageTime)":)\d+/g, '$1"TIME"')
    .replace(/("messageSize":)\d+/g, '$1"SIZE"')
    .replace(/"<[0-9a-f-]{36}@/g, '"<ID@')
    .replaceAll(`"port":${port}`, '"port":"PORT"');
  return JSON.parse(text);
}

async function main() {
  const cases = JSON.parse(fs.readFileSync(file));
  for (const one of cases) {
    const { child, port } = one.server ? await start(one.server) : { port: 1 };
    const config = JSON.parse(JSON.stringify(one.config).replaceAll('"PORT"', port));
    const { status, result } = await run(config);
    Object.assign(one, { status, result: masked(result, port) });
    child?.stdin.end();
  }
  fs.writeFileSync(file, JSON.stringify(cases, null, 2) + '\n');
  process.exit(0);
}
main();
