// Creates a sub-application by NocoBase's API, makes a webhook workflow in it, and calls that at sidehook and at
// NocoBase under the addresses that NocoBase gives it.

import http from 'node:http';
import { connect, signIn } from './nocobase.mjs';
import { call, createWorkflow, executionsOf, until } from './workflows.mjs';

const { NB_URL, SH_URL } = process.env;
const TOKEN = 'a-token-of-the-scripts-in-tests-e2e';
const PACKAGE = '@sidehook/plugin-workflow-webhook';
const usesSchemas = process.argv[2] === 'true';
const name = `e2e_${Date.now().toString(36)}`;
const cname = `${name}.example.test`;
let faults = 0;

const api = await signIn();
await unknownApplications();
await api.post('applications:create', { name, displayName: name, cname, options: { autoStart: true } });
await until(`${name} runs in NocoBase`, isRunning);
try {
  await webhooks();
} finally {
  await api.post('applications:destroy', undefined, { filterByTk: name });
}
await until('sidehook serves it no more', async () => (await ask(SH_URL, pathOf('k'))).status === 404);
const database = await connect();
const drop = usesSchemas ? `DROP SCHEMA "${name}" CASCADE` : `DROP DATABASE "${name}"`;
await until('nobody uses its database', () => database.query(drop).then(Boolean, () => false));
await database.end();
console.log(`${faults} faults`);
process.exit(faults ? 1 : 0);

/** Both say the same, once NocoBase has looked. */
async function unknownApplications() {
  const path = '/api/__app/nobody/webhook:trigger/k';
  const said = await until('NocoBase knows that there is none', async () => {
    const answer = await ask(NB_URL, path);
    return answer.status === 404 && answer;
  });
  expect('an unknown application', await ask(SH_URL, path), said);
  const byHeader = await ask(SH_URL, '/api/webhook:trigger/k', { 'x-app': 'nobody' });
  expect('an unknown application by its header', byHeader, said);
}

async function webhooks() {
  const sub = await signIn(undefined, undefined, name);
  await sub.post('pm:enable', undefined, { filterByTk: PACKAGE });
  // It is enabled by a restart of the application.
  const workflow = await until('its plugin is enabled', () =>
    createWorkflow(sub, { title: 'apps', sync: true, config: { request: {} } }).catch(() => false),
  );
  await sub.post(`workflows/${workflow.id}/nodes:create`, {
    type: 'response',
    upstreamId: null,
    config: { statusCode: 202, headers: [], body: name },
  });
  await sub.post('workflows:update', { enabled: true }, { filterByTk: workflow.id });
  const path = pathOf(workflow.key);
  const plain = `/api/webhook:trigger/${workflow.key}`;
  expect('by the path', await call(`${SH_URL}${path}`, {}), [202, name]);
  expect('by the header', (await ask(SH_URL, plain, { 'x-app': name })).text, name);
  expect('by the host', (await ask(SH_URL, plain, { host: `${cname}:80` })).text, name);
  expect('by the query', (await ask(SH_URL, `${plain}?__appName=${name}`)).text, name);
  expect('it is none of main', (await ask(SH_URL, plain)).status, 404);
  await recorded(sub, workflow, 4);

  for (const [way, target, headers] of [
    ['the path', path, {}],
    ['the header', plain, { 'x-app': name }],
    ['the host', plain, { host: cname }],
  ]) {
    const answered = await until(`NocoBase hands it on by ${way}`, async () => {
      const answer = await ask(NB_URL, target, headers);
      return answer.status === 202 && answer.text;
    });
    expect(`handed on by ${way}`, answered, name);
  }
  await recorded(sub, workflow, 7);
  const status = (await sub.get('sidehook:status')).data;
  expect(
    'the status on its page',
    [status.reachable, status.guard, status.instances.length],
    [true, true, 1],
  );

  const told = await health();
  expect('what sidehook tells of it', told.apps.find((app) => app.name === name)?.state, 'served');
  expect('what it tells to it', (await health({ 'x-app': name })).app, name);

  // NocoBase starts it again with the next request; sidehook goes on.
  await api.post('applications:stop', undefined, { filterByTk: name });
  expect('while it is stopped in NocoBase', (await ask(SH_URL, path)).text, name);
}

/** So many executions, all of them sidehook's: the second half of the numbers of a second is its. */
async function recorded(sub, workflow, count) {
  const executions = await executionsOf(sub, workflow);
  const own = executions.filter(({ id, status }) => status === 1 && (BigInt(id) & 0x8000n) !== 0n);
  expect('executions in its database', [executions.length, own.length], [count, count]);
}

/** Its row says `pending` for ever where the application is started by its first request. */
async function isRunning() {
  return signIn(undefined, undefined, name).then(Boolean, () => false);
}

async function health(headers = {}) {
  const response = await fetch(`${SH_URL}/health/status`, {
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
  });
  return response.json();
}

/** A request as it is: `fetch` sends no other host. */
function ask(base, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(base + path, { method: 'POST', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    request.on('error', reject).end();
  });
}

function pathOf(key) {
  return `/api/__app/${name}/webhook:trigger/${key}`;
}

function expect(title, found, wanted) {
  const [one, other] = [found, wanted].map((value) => JSON.stringify(value));
  if (one === other) return console.log(`  ok  ${title}`);
  faults += 1;
  console.log(`FAULT ${title}\n  is     ${one}\n  wanted ${other}`);
}
