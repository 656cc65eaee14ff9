// One workflow, run on sidehook, by hand, by rerun, and by queue recovery: the rows have to be the same.

import { connect, signIn, sleep } from './nocobase.mjs';
import { differences } from './normalise.mjs';

const { SH_URL } = process.env;
const api = await signIn();
const database = await connect();
const context = { headers: {}, query: {}, body: { n: 3 } };

const { data: workflow } = await api.post('workflows:create', {
  title: 'inside',
  type: 'webhook',
  sync: true,
  options: { timeout: 0 },
  enabled: false,
  config: { request: { body: [{ key: 'n' }] } },
});
const node = async (values) => (await api.post(`workflows/${workflow.id}/nodes:create`, values)).data;
const output = await node({ type: 'output', upstreamId: null, config: { value: '{{$context.body.n}}' } });
const response = await node({
  type: 'response',
  upstreamId: output.id,
  config: {
    statusCode: 201,
    headers: [{ name: 'X-N', value: '{{$context.body.n}}' }],
    body: { n: '{{$context.body.n}}' },
  },
});
await node({ type: 'output', upstreamId: response.id, config: { value: 'never' } });
await api.post('workflows:update', { enabled: true }, { filterByTk: workflow.id });

const answer = await fetch(`${SH_URL}/api/webhook:trigger/${workflow.key}`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(context.body),
});
if (answer.status !== 201) throw new Error(`sidehook answered ${answer.status}`);
const { rows } = await database.query('SELECT id FROM executions WHERE "workflowId" = $1', [workflow.id]);
const expected = await read(rows[0].id);

const runs = { 'by hand': byHand, 'by rerun': byRerun, 'by queue recovery': byRecovery };
let faults = 0;
for (const [name, run] of Object.entries(runs)) {
  const actual = await settled(await run());
  const ignored = name === 'by hand' ? ['$.manually'] : [];
  const found = differences(expected, actual, ignored);
  faults += found.length;
  console.log(`${name}: ${found.length} differences`, ...found.map((one) => JSON.stringify(one)));
}
await database.query(
  'DELETE FROM jobs WHERE "executionId" IN (SELECT id FROM executions WHERE "workflowId" = $1)',
  [workflow.id],
);
await database.query('DELETE FROM executions WHERE "workflowId" = $1', [workflow.id]);
await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
await database.end();
process.exit(faults ? 1 : 0);

async function byHand() {
  const { data } = await api.post('workflows:execute', context, { filterByTk: workflow.id });
  return data.execution.id;
}

/** As sidehook leaves an execution that it hands over: the jobs so far, and one of status 0 for the next node. */
async function byRerun() {
  const id = await insert('0, true, now()');
  await database.query(
    `INSERT INTO jobs (id, "createdAt", "updatedAt", "executionId", "nodeId", "nodeKey", "upstreamId", status, result, "startedAt")
     SELECT m + 1, now(), now(), $1::bigint, $2::bigint, $3, NULL::bigint, 1, '3'::json, now() FROM (SELECT max(id) m FROM jobs) t
     UNION ALL SELECT m + 2, now(), now(), $1::bigint, $4::bigint, $5, m + 1, 0, NULL, now() FROM (SELECT max(id) m FROM jobs) t`,
    [id, output.id, output.key, response.id, response.key],
  );
  await database.query("UPDATE executions SET output = '3' WHERE id = $1", [id]);
  await api.post('executions:rerun', { nodeId: response.id, overwrite: true }, { filterByTk: id });
  return id;
}

async function byRecovery() {
  const id = await insert('NULL, false, NULL');
  await api.post('sidehook:recover');
  return id;
}

async function insert(state) {
  const { rows } = await database.query(
    `INSERT INTO executions (id, "createdAt", "updatedAt", "workflowId", key, "eventKey", context, status, dispatched, "startedAt")
     SELECT max(id) + 1, now(), now(), $1, $2, gen_random_uuid()::text, $3::text::json, ${state} FROM executions RETURNING id`,
    [workflow.id, workflow.key, JSON.stringify(context)],
  );
  return rows[0].id;
}

async function settled(id) {
  for (let i = 0; i < 100; i++) {
    const { rows } = await database.query('SELECT status FROM executions WHERE id = $1', [id]);
    if (rows[0].status) break;
    await sleep(100);
  }
  return read(id);
}

async function read(id) {
  const { data } = await api.get('executions:get', { filterByTk: id, appends: ['jobs'] });
  const { status, reason, output, context, dispatched, manually } = data;
  const jobs = [...data.jobs].sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
  const position = (id) => jobs.findIndex((job) => String(job.id) === String(id));
  return {
    status,
    reason,
    output,
    context,
    dispatched,
    manually,
    started: data.startedAt !== null,
    jobs: jobs.map(({ nodeKey, status, result, meta, log, upstreamId, startedAt }) => ({
      nodeKey,
      status,
      result,
      meta,
      log,
      upstream: position(upstreamId),
      started: startedAt !== null,
    })),
  };
}
