// The steps of `queued`: fills NocoBase's queue through its API, waits until it is drained, and looks at what was recorded.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import { signIn, sleep } from './nocobase.mjs';

const { APP, HOME_DIR, PG_PORT, QUEUED_TIMES, DB_DIALECT, DB_PORT } = process.env;
const COLLECTION = 'qd_bulk';
const CHUNK = 250;
const PATIENCE_MS = 900_000;
const STATE = `${HOME_DIR}/queued-${DB_DIALECT ?? 'postgres'}.json`;
const state = fs.existsSync(STATE) ? JSON.parse(fs.readFileSync(STATE)) : {};
const query = connect();

const steps = {
  /** A collection and a workflow of four nodes that starts on new records. */
  async prepare() {
    const api = await signIn();
    await remove(api);
    await api.post('collections:create', {
      name: COLLECTION,
      autoGenId: true,
      fields: [
        { name: 'title', type: 'string', interface: 'input' },
        { name: 'amount', type: 'integer', interface: 'integer' },
      ],
    });
    const { data: workflow } = await api.post('workflows:create', {
      title: 'queued',
      type: 'collection',
      sync: false,
      enabled: false,
      options: { timeout: 0 },
      config: { collection: COLLECTION, mode: 1 },
    });
    let upstream = null;
    const add = async (type, config) => {
      const values = { type, upstreamId: upstream?.id ?? null, config };
      upstream = (await api.post(`workflows/${workflow.id}/nodes:create`, values)).data;
      return `{{$jobsMapByNodeKey.${upstream.key}}}`;
    };
    const expression = '{{$context.data.amount}} * 2 + 1';
    const double = await add('calculation', { engine: 'math.js', expression });
    const calculations = [{ calculator: 'gt', operands: [double, 0] }];
    const calculation = { group: { type: 'and', calculations } };
    await add('condition', { engine: 'basic', rejectOnFalse: true, calculation });
    const text = await add('variable', { value: `{{$context.data.title}}: ${double}` });
    await add('output', { value: { text, amount: '{{$context.data.amount}}' } });
    await api.post('workflows:update', { enabled: true }, { filterByTk: workflow.id });
    save({ workflowId: workflow.id, phases: {} });
  },

  /** Inserts records; the numbers are the same in each phase. */
  async fill(phase, count) {
    const api = await signIn();
    const [{ last }] = await query('SELECT MAX(id) AS last FROM executions');
    save({
      ...state,
      phases: { ...state.phases, [phase]: { after: String(last ?? 0), count: Number(count) } },
    });
    const began = Date.now();
    for (let n = 0; n < count; n += CHUNK) {
      const records = Array.from({ length: Math.min(CHUNK, count - n) }, (_, i) => ({
        title: `record ${n + i}`,
        amount: n + i,
      }));
      await api.post(`${COLLECTION}:create`, records);
    }
    await until(`${count} executions are there`, async () => (await counted(phase)).total === Number(count));
    console.log(`${count} records inserted in ${seconds(Date.now() - began)} s`);
  },

  async untouched(phase) {
    // Long enough for several looks.
    await sleep(5000);
    const { total, waiting } = await counted(phase);
    expect('executions that wait', waiting, total);
  },

  async 'under-way'(phase) {
    await until('some have ended', async () => {
      const { ended, total } = await counted(phase);
      return ended >= total / 4;
    });
    const { ended, total } = await counted(phase);
    console.log(`${ended} of ${total} have ended`);
  },

  /** Waits for the end of all, and looks whether each was run once, and by whom. */
  async drained(phase) {
    await until('all have ended', async () => {
      const { ended, total } = await counted(phase);
      return ended === total;
    });
    const of = state.phases[phase];
    const [found] = await query(
      `SELECT COUNT(*) AS total, SUM(CASE WHEN jobs.n = 4 AND jobs.nodes = 4 THEN 1 ELSE 0 END) AS whole,
        SUM(CASE WHEN jobs.own = 4 THEN 1 ELSE 0 END) AS sidehooks, SUM(CASE WHEN jobs.own = 0 THEN 1 ELSE 0 END) AS nocobases
        FROM (SELECT "executionId", COUNT(*) AS n, COUNT(DISTINCT "nodeId") AS nodes,
          SUM(CASE WHEN ((id >> 10) & 4095) >= 32 THEN 1 ELSE 0 END) AS own
          FROM jobs WHERE "executionId" IN (SELECT id FROM executions WHERE ${only(of)}) GROUP BY "executionId") AS jobs`,
    );
    const [total, whole, sidehooks, nocobases] = ['total', 'whole', 'sidehooks', 'nocobases'].map((name) =>
      Number(found[name]),
    );
    console.log(`${total} executions, ${sidehooks} run by sidehook, ${nocobases} by NocoBase`);
    expect('executions', total, of.count);
    expect('executions with one job for each node', whole, of.count);
    expect('executions with one owner', sidehooks + nocobases, of.count);
    const isNocoBases = phase === 'own' || phase === 'back';
    if (isNocoBases || phase === 'drained')
      expect('their owner', isNocoBases ? nocobases : sidehooks, of.count);
    const [{ n: failed }] = await query(
      `SELECT COUNT(*) AS n FROM executions WHERE ${only(of)} AND status <> 1`,
    );
    expect('executions that have failed', Number(failed), 0);
    const [{ n: leases }] = await query('SELECT COUNT(*) AS n FROM sidehook_leases');
    expect('leases', Number(leases), 0);
    // The others begin before somebody runs them.
    if (phase !== 'own' && phase !== 'drained') return;
    const rate = of.count / ((await took(of)) / 1000);
    console.log(`${rate.toFixed(1)} executions/s`);
    save({ ...state, rates: { ...state.rates, [phase]: rate } });
  },

  async rate() {
    const times = state.rates.drained / state.rates.own;
    console.log(`sidehook is ${times.toFixed(1)} times as fast as NocoBase`);
    if (times < Number(QUEUED_TIMES)) fault(`it has to be ${QUEUED_TIMES} times as fast`);
  },

  /** Compares what both have recorded for the same records. */
  async same(count) {
    const [own, other] = [await recorded(state.phases.own), await recorded(state.phases.drained)];
    const sample = [...own.keys()].sort(() => Math.random() - 0.5).slice(0, Number(count));
    expect('the sample', sample.length, Math.min(Number(count), own.size));
    for (const n of sample) expect(`what is recorded for record ${n}`, other.get(n), own.get(n));
    console.log(`${sample.length} executions are the same`);
  },

  async remove() {
    await remove(await signIn());
    fs.rmSync(STATE);
  },
};

const [name, ...rest] = process.argv.slice(2);
let faults = 0;
await steps[name](...rest);
process.exit(faults ? 1 : 0);

function only({ after }) {
  return `"workflowId" = ${state.workflowId} AND id > ${after}${next(after)}`;
}

/** Up to where the next phase begins. */
function next(after) {
  const later = Object.values(state.phases).map((phase) => BigInt(phase.after));
  const following = later.filter((id) => id > BigInt(after)).sort((a, b) => (a < b ? -1 : 1))[0];
  return following === undefined ? '' : ` AND id <= ${following}`;
}

async function counted(phase) {
  const [row] = await query(
    `SELECT COUNT(*) AS total, SUM(CASE WHEN status IS NULL THEN 1 ELSE 0 END) AS waiting,
      SUM(CASE WHEN status <> 0 THEN 1 ELSE 0 END) AS ended FROM executions WHERE ${only(state.phases[phase])}`,
  );
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Number(value ?? 0)]));
}

/** From the first one that was begun with to the last one that has ended. */
async function took(of) {
  const [{ began, ended }] = await query(
    `SELECT MIN("startedAt") AS began, MAX("updatedAt") AS ended FROM executions WHERE ${only(of)}`,
  );
  return new Date(ended) - new Date(began);
}

/** Status, output and jobs by the number of the record, without ids and times. */
async function recorded(of) {
  const rows = await query(
    `SELECT e.id, e.status, e.output, e.context, j.id AS job, j."nodeKey" AS node, j."upstreamId" AS upstream,
      j.status AS "jobStatus", j.result, j.meta, j.log FROM executions e JOIN jobs j ON j."executionId" = e.id
      WHERE e.id IN (SELECT id FROM executions WHERE ${only(of)}) ORDER BY e.id, j.id`,
  );
  const found = new Map();
  const places = new Map();
  for (const { job, node, upstream, jobStatus, result, meta, log, ...execution } of rows) {
    const n = execution.context.data.amount;
    const one = found.get(n) ?? { status: execution.status, output: execution.output, jobs: [] };
    places.set(String(job), one.jobs.length);
    one.jobs.push([node, upstream && places.get(String(upstream)), jobStatus, result, meta, log]);
    found.set(n, one);
  }
  return found;
}

async function remove(api) {
  const { data } = await api.get('workflows:list', { filter: JSON.stringify({ title: 'queued' }) });
  for (const { id } of data) {
    await query(
      `DELETE FROM jobs WHERE "executionId" IN (SELECT id FROM executions WHERE "workflowId" = ${id})`,
    );
    await query(`DELETE FROM executions WHERE "workflowId" = ${id}`);
    await api.post('workflows:destroy', undefined, { filterByTk: id });
  }
  const { data: collections } = await api.get('collections:list', { paginate: false });
  if (collections.some((collection) => collection.name === COLLECTION)) {
    await api.post('collections:destroy', undefined, { filterByTk: COLLECTION, cascade: true });
  }
}

/** Statements on NocoBase's database, by the drivers that NocoBase has installed. */
function connect() {
  const driver = createRequire(`${APP}/package.json`);
  const common = { host: '127.0.0.1', user: 'nocobase', database: 'nocobase' };
  if (DB_DIALECT === 'mysql') {
    const pool = driver('mysql2/promise').createPool({
      ...common,
      password: 'nocobase',
      port: Number(DB_PORT),
      connectionLimit: 1,
      supportBigNumbers: true,
      timezone: 'Z',
    });
    const ready = pool.query("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
    return async (sql) => {
      await ready;
      return (await pool.query(sql))[0];
    };
  }
  const pool = new (driver('pg').Pool)({ ...common, port: Number(PG_PORT) });
  return async (sql) => (await pool.query(sql)).rows;
}

async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`after ${PATIENCE_MS / 1000} s it is not so: ${what}`);
    await sleep(200);
  }
}

function save(next) {
  Object.assign(state, next);
  fs.writeFileSync(STATE, JSON.stringify(state));
}

function seconds(ms) {
  return (ms / 1000).toFixed(1);
}

function fault(text) {
  faults += 1;
  console.log(`FAULT: ${text}`);
}

function expect(what, actual, expected) {
  if (JSON.stringify(actual) === JSON.stringify(expected)) return;
  fault(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}
