// `prepare` writes executions that wait in a delay which is long over; `check` looks what a restarted NocoBase has
// made of them.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, signIn, sleep } from './nocobase.mjs';

const LEASED = 100;
const OWN = 3;
/** For how long NocoBase may run what it likes. */
const PATIENCE_MS = 10_000;
const file = `${process.env.HOME_DIR}/restart.json`;

const api = await signIn();
const database = await connect();
await { prepare, check }[process.argv[2]]();
await database.end();

async function prepare() {
  const values = {
    title: 'restart',
    type: 'webhook',
    sync: false,
    config: { request: {} },
    options: { timeout: 0 },
  };
  const { data: workflow } = await api.post('workflows:create', { ...values, enabled: true });
  const node = async (values) => (await api.post(`workflows/${workflow.id}/nodes:create`, values)).data;
  const delay = await node({
    type: 'delay',
    config: { duration: 1, unit: 1000, endStatus: 1 },
    upstreamId: null,
  });
  await node({ type: 'output', config: { value: 'has run' }, upstreamId: delay.id });
  const firstId = (Math.floor(Date.now() / 1000) - 1605024000) * 2 ** 21 + 29 * 2 ** 16 + 0x8000;
  await database.query(
    `INSERT INTO executions (id, "createdAt", "updatedAt", "workflowId", key, "eventKey", context, status, dispatched, "startedAt")
     SELECT $1::bigint + n, now(), now(), $2, $3, gen_random_uuid()::text, '{}', 0, true, now() - interval '1 hour'
     FROM generate_series(1, $4::int) n`,
    [firstId, workflow.id, workflow.key, LEASED + OWN],
  );
  await database.query(
    `INSERT INTO jobs (id, "createdAt", "updatedAt", "executionId", "nodeId", "nodeKey", status, result, "startedAt")
     SELECT (SELECT coalesce(max(id), 0) FROM jobs) + n, now() - interval '1 hour', now() - interval '1 hour',
       $1::bigint + n, $2, $3, 0, '1000', now() - interval '1 hour'
     FROM generate_series(1, $4::int) n`,
    [firstId, delay.id, delay.key, LEASED + OWN],
  );
  await database.query(
    'INSERT INTO sidehook_leases (execution_id, instance_id, generation) SELECT $1::bigint + n, 0, 1 FROM generate_series(1, $2::int) n',
    [firstId, LEASED],
  );
  writeFileSync(file, JSON.stringify({ workflowId: workflow.id }));
  console.log(`${LEASED} pending delays of sidehook's executions and ${OWN} of NocoBase's own are written`);
}

async function check() {
  const { workflowId } = JSON.parse(readFileSync(file, 'utf8'));
  const started = Date.now();
  let counts;
  do {
    await sleep(500);
    const { rows } = await database.query(
      `SELECT l.execution_id IS NOT NULL AS leased, e.status, count(DISTINCT e.id)::int AS executions, count(j.id)::int AS jobs
       FROM executions e JOIN jobs j ON j."executionId" = e.id LEFT JOIN sidehook_leases l ON l.execution_id = e.id
       WHERE e."workflowId" = $1 GROUP BY 1, 2`,
      [workflowId],
    );
    counts = rows;
  } while (Date.now() - started < PATIENCE_MS);
  const find = (leased, status) =>
    counts.find((row) => row.leased === leased && row.status === status) ?? { executions: 0, jobs: 0 };
  const [left, own] = [find(true, 0), find(false, 1)];
  console.log(
    `after ${PATIENCE_MS / 1000} s NocoBase has run ${LEASED - left.executions} of ${LEASED} of sidehook's executions, ` +
      `and ${own.executions} of ${OWN} of its own`,
  );
  const isRight =
    left.executions === LEASED && left.jobs === LEASED && own.executions === OWN && own.jobs === 2 * OWN;
  await database.query(
    'DELETE FROM sidehook_leases WHERE execution_id IN (SELECT id FROM executions WHERE "workflowId" = $1)',
    [workflowId],
  );
  await database.query(
    'DELETE FROM jobs WHERE "executionId" IN (SELECT id FROM executions WHERE "workflowId" = $1)',
    [workflowId],
  );
  await database.query('DELETE FROM executions WHERE "workflowId" = $1', [workflowId]);
  await api.post('workflows:destroy', undefined, { filterByTk: workflowId });
  rmSync(file);
  if (!isRight) {
    console.log(counts);
    process.exitCode = 1;
  }
}
