// The steps of `bench`: creates each workflow twice, calls both, and prints what came of it side by side.

import http from 'node:http';
import { load } from './load.mjs';
import { connect, signIn, sleep } from './nocobase.mjs';

const { NB_PORT, SH_PORT } = process.env;
const SECONDS = Number(process.env.SIDEHOOK_E2E_BENCH_SECONDS || 6);
const CONNECTIONS = Number(process.env.SIDEHOOK_E2E_BENCH_CONNECTIONS || 16);
const WANTED = (process.env.SIDEHOOK_E2E_BENCH_WORKFLOWS || 'two,ten,create,request').split(',');
/** NocoBase may need minutes for what it has answered in seconds. */
const PATIENCE_MS = 900_000;
const COLLECTION = 'bench_orders';
const BODY = {
  amount: 150,
  title: 'An order',
  items: [
    { n: 1, price: 2.5 },
    { n: 3, price: 4.25 },
    { n: 2, price: 10 },
  ],
};

const api = await signIn();
const nocobase = {
  name: 'NocoBase',
  type: 'custom-action',
  // Of no collection.
  config: { type: 0 },
  payload: 'data',
  call: ({ key }) => ({
    port: Number(NB_PORT),
    path: `/api/workflows:trigger?triggerWorkflows=${key}`,
    headers: api.headers,
    body: JSON.stringify(BODY),
  }),
};
const sidehook = {
  name: 'sidehook',
  type: 'webhook',
  config: { request: { body: Object.keys(BODY).map((key) => ({ key })) } },
  payload: 'body',
  call: ({ key }) => ({
    port: Number(SH_PORT),
    path: `/api/webhook:trigger/${key}`,
    headers: {},
    body: JSON.stringify(BODY),
  }),
};
const target = await startTarget();
/** The nodes before the last one, as functions of where the payload is; `node` is what an earlier one gave. */
const WORKFLOWS = {
  two: {
    about: 'two nodes',
    nodes: [({ payload }) => ['variable', { value: { amount: payload('amount') } }]],
  },
  ten: {
    about: 'ten nodes with expressions',
    nodes: [
      ({ payload }) => ['variable', { value: payload('amount') }],
      ({ node }) => ['calculation', { engine: 'math.js', expression: `${node(0)} * 1.19 + 2` }],
      ({ payload }) => [
        'calculation',
        { engine: 'formula.js', expression: `SUM(${payload('items.price')})` },
      ],
      ({ node }) => ['calculation', { engine: 'math.js', expression: `round(${node(1)} + ${node(2)}, 2)` }],
      ({ node }) => [
        'condition',
        {
          engine: 'basic',
          rejectOnFalse: true,
          calculation: {
            group: { type: 'and', calculations: [{ calculator: 'gt', operands: [node(3), 10] }] },
          },
        },
      ],
      ({ payload }) => [
        'json-query',
        { engine: 'jmespath', source: payload('items'), expression: '[?n > `1`].price' },
      ],
      ({ node }) => ['variable', { value: node(5, '.0') }],
      ({ payload, node }) => [
        'calculation',
        { engine: 'string', expression: `${payload('title')}: ${node(3)}` },
      ],
      ({ node }) => ['variable', { value: { text: node(7), prices: node(5) } }],
    ],
  },
  create: {
    about: 'create a record',
    nodes: [
      ({ payload }) => [
        'create',
        {
          collection: COLLECTION,
          params: { values: { title: payload('title'), amount: payload('amount'), paid: true } },
        },
      ],
    ],
  },
  request: {
    about: 'call an HTTP server',
    nodes: [
      ({ payload }) => [
        'request',
        {
          method: 'POST',
          url: target,
          headers: [{ name: 'X-Title', value: payload('title') }],
          contentType: 'application/json',
          data: { amount: payload('amount') },
          timeout: 5000,
        },
      ],
    ],
  },
};

const database = await connect();
await clean();
await api.post('collections:create', {
  name: COLLECTION,
  autoGenId: true,
  fields: [
    { name: 'title', type: 'string', interface: 'input' },
    { name: 'amount', type: 'double', interface: 'number' },
    { name: 'paid', type: 'boolean', interface: 'checkbox' },
  ],
});
console.log(
  `${CONNECTIONS} connections, ${SECONDS} s each; on NocoBase by a custom action, whose asynchronous answers come before anything is recorded`,
);
console.log(row('', '', 'answers/s', 'executions/s', 'drain s', 'p50 ms', 'p99 ms'));
for (const name of WANTED) {
  for (const sync of [true, false]) await compare(name, sync);
}
await clean();
await database.end();
process.exit(0);

async function compare(name, sync) {
  const what = `${WORKFLOWS[name].about}, ${sync ? 'synchronous' : 'asynchronous'}`;
  const results = [];
  for (const side of [nocobase, sidehook]) {
    const workflow = await create(name, sync, side);
    const result = await measure(side, workflow);
    results.push(result);
    const { answers, executions, drain, p50, p99 } = result;
    console.log(row(what, side.name, answers, executions, drain.toFixed(1), p50.toFixed(1), p99.toFixed(1)));
    await remove(workflow);
  }
  const [theirs, ours] = results;
  const times = (of) => `× ${(ours[of] / theirs[of]).toFixed(1)}`;
  console.log(row('', 'sidehook / NocoBase', times('answers'), times('executions'), '', '', ''));
}

/** Calls it until the time is over, and waits until all that it has begun has ended. */
async function measure(side, workflow) {
  const call = side.call(workflow);
  await until(
    'it is served',
    async () => (await load({ ...call, connections: 1, requests: 1 })).failures === 0,
  );
  await ended(workflow, 1);
  const before = await counted(workflow);
  const begun = Date.now();
  const { latencies, failures, elapsed } = await load({
    ...call,
    connections: CONNECTIONS,
    seconds: SECONDS,
  });
  const answered = Date.now();
  await ended(workflow, latencies.length + before.all);
  const drain = (Date.now() - answered) / 1000;
  const after = await counted(workflow);
  const executions = after.succeeded - before.succeeded;
  if (failures > 0 || executions !== latencies.length) {
    throw new Error(
      `${side.name}: ${latencies.length} answers, ${failures} of them not 2xx, and ${executions} executions that have succeeded`,
    );
  }
  const part = (p) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * p))];
  return {
    answers: Math.round((latencies.length / elapsed) * 1000),
    executions: Math.round((executions / (Date.now() - begun)) * 1000),
    drain,
    p50: part(0.5),
    p99: part(0.99),
  };
}

async function create(name, sync, side) {
  const { data: workflow } = await api.post('workflows:create', {
    title: 'bench',
    type: side.type,
    sync,
    enabled: false,
    options: { timeout: 0 },
    config: side.config,
  });
  const keys = [];
  const tools = {
    payload: (path) => `{{$context.${side.payload}.${path}}}`,
    node: (index, path = '') => `{{$jobsMapByNodeKey.${keys[index]}${path}}}`,
  };
  const last = ({ node }) => {
    const result = node(keys.length - 1);
    const answers = sync && side === sidehook;
    return answers ? ['response', { statusCode: 200, body: result }] : ['output', { value: result }];
  };
  let upstreamId = null;
  for (const build of [...WORKFLOWS[name].nodes, last]) {
    const [type, config] = build(tools);
    const { data } = await api.post(`workflows/${workflow.id}/nodes:create`, { type, upstreamId, config });
    upstreamId = data.id;
    keys.push(data.key);
  }
  await api.post('workflows:update', { enabled: true }, { filterByTk: workflow.id });
  return workflow;
}

async function ended(workflow, count) {
  await until('all executions have ended', async () => {
    const { all, open } = await counted(workflow);
    return open === 0 && all >= count;
  });
}

async function counted({ id }) {
  const { rows } = await database.query(
    `SELECT count(*)::int AS "all", (count(*) FILTER (WHERE status IS NULL OR status = 0))::int AS open,
       (count(*) FILTER (WHERE status = 1))::int AS succeeded FROM executions WHERE "workflowId" = $1`,
    [id],
  );
  return rows[0];
}

async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`after ${PATIENCE_MS / 1000} s it is not so: ${what}`);
    await sleep(50);
  }
}

async function remove({ id }) {
  await database.query(
    'DELETE FROM jobs WHERE "executionId" IN (SELECT id FROM executions WHERE "workflowId" = $1)',
    [id],
  );
  await database.query('DELETE FROM executions WHERE "workflowId" = $1', [id]);
  await api.post('workflows:destroy', undefined, { filterByTk: id });
}

/** What an earlier run may have left. */
async function clean() {
  const { data } = await api.get('workflows:list', { filter: JSON.stringify({ title: 'bench' }) });
  for (const workflow of data) await remove(workflow);
  const { data: collections } = await api.get('collections:list', { paginate: false });
  if (collections.some((collection) => collection.name === COLLECTION)) {
    await api.post('collections:destroy', undefined, { filterByTk: COLLECTION, cascade: true });
  }
}

/** What request nodes call. */
async function startTarget() {
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true,"number":17}');
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${server.address().port}/orders`;
}

function row(what, side, ...numbers) {
  return `${what.padEnd(42)} ${side.padEnd(20)} ${numbers.map((number) => String(number).padStart(13)).join('')}`;
}
