// A manual node in an asynchronous and in a synchronous workflow: sidehook runs what comes before it, NocoBase asks
// its user and runs the rest.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { connect, signIn, sleep } from './nocobase.mjs';

const { APP, HOME_DIR, NB_URL, SH_URL } = process.env;
const PATIENCE_MS = 30_000;
const api = await signIn();
const database = await connect();
let faults = 0;

const { data: key } = await api.post('apiKeys:create', {
  name: `handover-${Date.now()}`,
  role: { name: 'root' },
  expiresIn: '1d',
});
const second = await startSidehook({ SIDEHOOK_NOCOBASE_URL: NB_URL, SIDEHOOK_NOCOBASE_API_KEY: key.token });
try {
  for (const sync of [false, true]) {
    await check('told by the plugin', SH_URL, sync);
    await check('told by its API', second.url, sync);
  }
} finally {
  second.process.kill('SIGTERM');
  await database.query('DELETE FROM "apiKeys" WHERE name LIKE \'handover-%\'');
}
await database.end();
console.log(`${faults} faults`);
process.exit(faults ? 1 : 0);

async function check(title, url, sync) {
  const workflow = await build(sync);
  const request = fetch(`${url}/api/webhook:trigger/${workflow.key}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ n: 4 }),
  });
  const task = await until('a task of the manual node', () =>
    one('SELECT id, "jobId", "executionId" FROM "workflowManualTasks" WHERE "workflowId" = $1', [
      workflow.id,
    ]),
  );
  const left = await one('SELECT count(*)::int n FROM sidehook_leases WHERE execution_id = $1', [
    task?.executionId,
  ]);
  const before = await jobs(task?.executionId);
  await api.post('workflowManualTasks:submit', { result: { f: { a: 1 }, _: 'ok' } }, { filterByTk: task.id });
  await until('the end of the execution', () =>
    one('SELECT 1 FROM executions WHERE id = $1 AND status = 1', [task.executionId]),
  );
  const answer = await request;
  const text = await answer.text();
  const after = await jobs(task.executionId);
  const open = await until('no handover', async () => {
    const row = await one('SELECT count(*)::int n FROM sidehook_handovers WHERE execution_id = $1', [
      task.executionId,
    ]);
    return row.n === 0 ? { n: 0 } : undefined;
  });
  expect(title, {
    leases: [left.n, 0],
    handovers: [open?.n, 0],
    before: [
      before,
      [
        ['first', 1, 4],
        ['ask', 0, null],
      ],
    ],
    after: [
      after,
      [
        ['first', 1, 4],
        ['ask', 1, { f: { a: 1 }, _: 'ok' }],
        ...(sync ? [['answer', 1, after[2]?.[2]]] : [['last', 1, 1]]),
      ],
    ],
    answer: [[answer.status, text], sync ? [201, '{"a":1}'] : [200, 'ok']],
  });
  await remove(workflow);
}

async function build(sync) {
  const { data: workflow } = await api.post('workflows:create', {
    title: 'handover',
    type: 'webhook',
    sync,
    enabled: false,
    options: { timeout: 0 },
    config: { request: { body: [{ key: 'n' }] } },
  });
  const node = async (values) => (await api.post(`workflows/${workflow.id}/nodes:create`, values)).data;
  const first = await node({ type: 'variable', upstreamId: null, config: { value: '{{$context.body.n}}' } });
  const ask = await node({
    type: 'manual',
    upstreamId: first.id,
    config: {
      assignees: [1],
      forms: { f: { type: 'custom', title: 'F', actions: [{ key: 'ok', status: 1, values: {} }] } },
    },
  });
  const value = `{{$jobsMapByNodeKey.${ask.key}.f.a}}`;
  const last = await node(
    sync
      ? { type: 'response', upstreamId: ask.id, config: { statusCode: 201, body: { a: value } } }
      : { type: 'variable', upstreamId: ask.id, config: { value } },
  );
  names = { [first.id]: 'first', [ask.id]: 'ask', [last.id]: sync ? 'answer' : 'last' };
  await api.post('workflows:update', { enabled: true }, { filterByTk: workflow.id });
  return workflow;
}

var names;

async function jobs(executionId) {
  const { rows } = await database.query(
    'SELECT "nodeId", status, result FROM jobs WHERE "executionId" = $1 ORDER BY id',
    [executionId],
  );
  return rows.map((row) => [names[row.nodeId], row.status, row.result]);
}

async function one(sql, values) {
  return (await database.query(sql, values)).rows[0];
}

async function until(what, look) {
  const started = Date.now();
  while (Date.now() - started < PATIENCE_MS) {
    const found = await look();
    if (found) return found;
    await sleep(200);
  }
  faults += 1;
  console.log(`after ${PATIENCE_MS / 1000} s there is not: ${what}`);
}

function expect(title, pairs) {
  for (const [what, [actual, expected]] of Object.entries(pairs)) {
    if (JSON.stringify(actual) === JSON.stringify(expected)) continue;
    faults += 1;
    console.log(`${title}: ${what} is ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }
}

async function remove(workflow) {
  await database.query('DELETE FROM "workflowManualTasks" WHERE "workflowId" = $1', [workflow.id]);
  await database.query(
    'DELETE FROM jobs WHERE "executionId" IN (SELECT id FROM executions WHERE "workflowId" = $1)',
    [workflow.id],
  );
  await database.query('DELETE FROM executions WHERE "workflowId" = $1', [workflow.id]);
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
}

async function startSidehook(settings) {
  const port = await new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
  const process_ = spawn(
    `${HOME_DIR}/sidehook`,
    ['serve', '--env-file', '.env', '--listen', `127.0.0.1:${port}`],
    {
      cwd: APP,
      env: { ...process.env, ...settings },
      stdio: 'ignore',
    },
  );
  const url = `http://127.0.0.1:${port}`;
  await until('a second sidehook', async () => {
    try {
      return (await fetch(`${url}/health/ready`)).ok;
    } catch {
      return false;
    }
  });
  return { process: process_, url };
}
