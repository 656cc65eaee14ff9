// Manual nodes in asynchronous and in synchronous workflows: sidehook runs what comes before them, NocoBase asks its
// users and runs the rest. One workflow has a condition and a node that creates a record after the manual node, another
// two manual nodes in branches of one parallel node: both branches, and what comes after them, are run once.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { connect, signIn, sleep } from './nocobase.mjs';

const { APP, HOME_DIR, NB_URL, SH_URL } = process.env;
const PATIENCE_MS = 30_000;
const MANUAL = {
  assignees: [1],
  forms: { f: { type: 'custom', title: 'F', actions: [{ key: 'ok', status: 1, values: {} }] } },
};
const api = await signIn();
const database = await connect();
let faults = 0;

const { data: key } = await api.post('apiKeys:create', {
  name: `handover-${Date.now()}`,
  role: { name: 'root' },
  expiresIn: '1d',
});
const collection = `handover_${Date.now()}`;
await api.post('collections:create', {
  name: collection,
  fields: [
    { type: 'bigInt', name: 'id', primaryKey: true, autoIncrement: true },
    { type: 'string', name: 'text' },
  ],
});
const second = await startSidehook({ SIDEHOOK_NOCOBASE_URL: NB_URL, SIDEHOOK_NOCOBASE_API_KEY: key.token });
try {
  for (const sync of [false, true]) {
    for (const [how, url] of [
      ['told by the plugin', SH_URL],
      ['told by its API', second.url],
    ]) {
      await check(how, url, sync);
      await checkCondition(`${how}, condition and create`, url, sync);
      await checkBranches(`${how}, two branches`, url, sync);
    }
  }
} finally {
  second.process.kill('SIGTERM');
  await database.query('DELETE FROM "apiKeys" WHERE name LIKE \'handover-%\'');
  await api.post('collections:destroy', undefined, { filterByTk: collection });
}
await database.end();
console.log(`${faults} faults`);
process.exit(faults ? 1 : 0);

async function check(title, url, sync) {
  const workflow = await build(sync);
  const request = send(url, workflow);
  const task = await until('a task of the manual node', () =>
    one('SELECT id, "jobId", "executionId" FROM "workflowManualTasks" WHERE "workflowId" = $1', [
      workflow.id,
    ]),
  );
  const left = await one('SELECT count(*)::int n FROM sidehook_leases WHERE execution_id = $1', [
    task?.executionId,
  ]);
  const before = await jobs(task?.executionId);
  await submit(task);
  await ended(task.executionId);
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

// A record is created by what NocoBase runs after its manual node, on the branch that the answer decides.
async function checkCondition(title, url, sync) {
  const { workflow, node, enable } = await begin(sync);
  const ask = await node({ type: 'manual', upstreamId: null, config: MANUAL });
  const decide = await node({
    type: 'condition',
    upstreamId: ask.id,
    config: {
      engine: 'basic',
      rejectOnFalse: true,
      calculation: {
        group: {
          type: 'and',
          calculations: [{ calculator: 'equal', operands: [`{{$jobsMapByNodeKey.${ask.key}.f.a}}`, 1] }],
        },
      },
    },
  });
  const text = `${title} ${workflow.key}`;
  const create = await node({
    type: 'create',
    upstreamId: decide.id,
    config: { collection, params: { values: { text } } },
  });
  names = { [ask.id]: 'ask', [decide.id]: 'decide', [create.id]: 'create' };
  await enable();

  const request = send(url, workflow);
  const task = await until('a task of the manual node', () => taskOf(workflow, ask));
  await submit(task);
  await ended(task.executionId);
  const { status } = await request;
  const written = await database.query(`SELECT count(*)::int n FROM "${collection}" WHERE text = $1`, [text]);
  const executions = await database.query('SELECT count(*)::int n FROM executions WHERE "workflowId" = $1', [
    workflow.id,
  ]);
  expect(title, {
    jobs: [
      (await jobs(task.executionId)).map(([name, status]) => [name, status]),
      [
        ['ask', 1],
        ['decide', 1],
        ['create', 1],
      ],
    ],
    records: [written.rows[0].n, 1],
    executions: [executions.rows[0].n, 1],
    answer: [status, 200],
  });
  await remove(workflow);
}

// Both manual nodes are asked once, in whatever order they are answered, and what follows their parallel node runs once.
async function checkBranches(title, url, sync) {
  const { workflow, node, enable } = await begin(sync);
  const fork = await node({ type: 'parallel', upstreamId: null, config: { mode: 'all' } });
  const asks = [];
  const texts = [];
  names = { [fork.id]: 'fork' };
  for (const branchIndex of [0, 1]) {
    const ask = await node({ type: 'manual', upstreamId: fork.id, branchIndex, config: MANUAL });
    const text = `${title} ${workflow.key} ${branchIndex}`;
    const create = await node({
      type: 'create',
      upstreamId: ask.id,
      config: { collection, params: { values: { text } } },
    });
    names[ask.id] = `ask ${branchIndex}`;
    names[create.id] = `create ${branchIndex}`;
    asks.push(ask);
    texts.push(text);
  }
  const text = `${title} ${workflow.key} last`;
  const last = await node({
    type: 'create',
    upstreamId: fork.id,
    config: { collection, params: { values: { text } } },
  });
  texts.push(text);
  names[last.id] = 'last';
  await enable();

  const request = send(url, workflow);
  const tasks = [];
  for (const ask of asks) tasks.push(await until('a task of each manual node', () => taskOf(workflow, ask)));
  // What would be told twice is told within this time.
  await sleep(3000);
  const asked = await database.query(
    'SELECT count(*)::int n FROM "workflowManualTasks" WHERE "workflowId" = $1',
    [workflow.id],
  );
  for (const task of tasks.reverse()) {
    await submit(task);
    await until('the end of a branch', () =>
      one('SELECT 1 FROM jobs WHERE id = $1 AND status = 1', [task.jobId]),
    );
  }
  const executionId = tasks[0].executionId;
  await ended(executionId);
  const { status } = await request;
  await until('no handover', async () => {
    const row = await one('SELECT count(*)::int n FROM sidehook_handovers WHERE execution_id = $1', [
      executionId,
    ]);
    return row.n === 0 ? row : undefined;
  });
  const written = await database.query(
    `SELECT text, count(*)::int n FROM "${collection}" WHERE text = ANY($1) GROUP BY text ORDER BY text`,
    [texts],
  );
  expect(title, {
    tasks: [asked.rows[0].n, 2],
    jobs: [
      (await jobs(executionId)).map(([name, status]) => `${name} ${status}`).sort(),
      ['ask 0 1', 'ask 1 1', 'create 0 1', 'create 1 1', 'fork 1', 'last 1'],
    ],
    records: [written.rows.map((row) => [row.text, row.n]), texts.map((text) => [text, 1])],
    answer: [status, 200],
  });
  await remove(workflow);
}

function send(url, workflow) {
  return fetch(`${url}/api/webhook:trigger/${workflow.key}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ n: 4 }),
  });
}

function taskOf(workflow, node) {
  return one(
    'SELECT id, "jobId", "executionId" FROM "workflowManualTasks" WHERE "workflowId" = $1 AND "nodeId" = $2',
    [workflow.id, node.id],
  );
}

async function submit(task) {
  await api.post('workflowManualTasks:submit', { result: { f: { a: 1 }, _: 'ok' } }, { filterByTk: task.id });
}

async function ended(executionId) {
  await until('the end of the execution', () =>
    one('SELECT 1 FROM executions WHERE id = $1 AND status = 1', [executionId]),
  );
}

async function begin(sync) {
  const { data: workflow } = await api.post('workflows:create', {
    title: 'handover',
    type: 'webhook',
    sync,
    enabled: false,
    options: { timeout: 0 },
    config: { request: { body: [{ key: 'n' }] } },
  });
  const node = async (values) => (await api.post(`workflows/${workflow.id}/nodes:create`, values)).data;
  const enable = () => api.post('workflows:update', { enabled: true }, { filterByTk: workflow.id });
  return { workflow, node, enable };
}

async function build(sync) {
  const { workflow, node, enable } = await begin(sync);
  const first = await node({ type: 'variable', upstreamId: null, config: { value: '{{$context.body.n}}' } });
  const ask = await node({ type: 'manual', upstreamId: first.id, config: MANUAL });
  const value = `{{$jobsMapByNodeKey.${ask.key}.f.a}}`;
  const last = await node(
    sync
      ? { type: 'response', upstreamId: ask.id, config: { statusCode: 201, body: { a: value } } }
      : { type: 'variable', upstreamId: ask.id, config: { value } },
  );
  names = { [first.id]: 'first', [ask.id]: 'ask', [last.id]: sync ? 'answer' : 'last' };
  await enable();
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
