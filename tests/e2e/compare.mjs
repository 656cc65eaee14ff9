// Runs recorded cases inside NocoBase and on sidehook, and compares what both have answered and recorded.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { startEcho } from './echo.mjs';
import { ApiError, connect, signIn, sleep } from './nocobase.mjs';
import { differences, normalise } from './normalise.mjs';

/** Beside the plugin a node of an unknown type is handed over, and only then an error of its own. */
const HANDED_OVER = {
  'error-unknown-in-branch': 'the node is handed over to NocoBase, whose plugin refuses it',
};

const { NB_URL, SH_URL, HOME_DIR, SIDEHOOK_CONFORMANCE } = process.env;
/** How many cases run at a time. */
const AT_A_TIME = 3;
const EVALUATORS = ['math.js', 'formula.js', 'string'];

const isRecord = process.argv.includes('--record');
const wanted = process.argv.slice(2).filter((name) => name !== '--record');
const sideUrls = isRecord ? { nocobase: NB_URL } : { nocobase: NB_URL, sidehook: SH_URL };
const echo = await startEcho();
const api = await signIn();
const database = await connect();
const nodeTypes = new Set(
  execFileSync(`${HOME_DIR}/sidehook`, ['nodes'], { encoding: 'utf8' }).trim().split('\n'),
);
const totals = { same: 0, different: 0, onPurpose: 0, failed: 0, offRecord: 0, bySql: 0 };
const leftOut = new Map();

const cases = readCases().filter((one) => isRecord || isPossible(one));
await Promise.all(Array.from({ length: AT_A_TIME }, work));
report();
await database.end();
process.exit(totals.different || totals.failed ? 1 : 0);

function readCases() {
  const folder = `${SIDEHOOK_CONFORMANCE}/cases`;
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort();
  const isWanted = (name) => !wanted.length || wanted.some((part) => name.includes(part));
  const read = (name) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8').replaceAll('$ECHO', echo));
  return names.filter(isWanted).map(read);
}

/** Whether sidehook has all node types of a case; types that nobody has are for both to refuse. */
function isPossible({ nodes, name }) {
  const missing = [...new Set(requirements(nodes))].filter((need) => !has(need));
  missing.forEach((need) => leftOut.set(need, (leftOut.get(need) ?? 0) + 1));
  return missing.length === 0;
}

function requirements(nodes) {
  return nodes.flatMap(({ type, config, branches }) => {
    const conditions =
      { condition: [config], 'multi-conditions': config?.conditions ?? [], loop: [config?.condition] }[
        type
      ] ?? [];
    const engines = conditions
      .map((condition) => condition?.engine)
      .filter((engine) => EVALUATORS.includes(engine));
    return [
      type,
      ...engines.map((engine) => `${type}:${engine}`),
      ...requirements(Object.values(branches ?? {}).flat()),
    ];
  });
}

function has(need) {
  const [type, engine] = need.split(':');
  // The evaluators come with the node that is named after them.
  if (engine) return nodeTypes.has('calculation') || need === 'condition:string';
  const known = [
    'aggregate',
    'calculation',
    'create',
    'dateCalculation',
    'delay',
    'destroy',
    'dynamic-calculation',
    'json-query',
    'query',
    'request',
    'script',
    'sql',
    'update',
  ];
  return nodeTypes.has(type) || !known.includes(type);
}

async function work() {
  for (let next = cases.shift(); next; next = cases.shift()) {
    try {
      await run(next);
    } catch (error) {
      totals.failed += 1;
      console.log(`FAILED ${next.name}: ${error.message}`);
    }
  }
}

async function run(one) {
  await createCollections(one);
  const workflow = await createWorkflow(one);
  const sides = {};
  const known = new Set();
  for (const [name, url] of Object.entries(sideUrls)) {
    for (const statement of one.seed ?? []) await database.query(statement);
    sides[name] = await runSide(one, workflow, url, known);
  }
  const offRecord = differences(one.expected, { ...sides.nocobase, stats: one.expected.stats }, one.ignore)
    // NocoBase's API does not tell the JSON value null from none.
    .filter(({ left, right }) => !(left === '<json null>' && right === null));
  if (isRecord) {
    // How long a caller waits for an execution that is left open is DESIGN.md's to say.
    const counted = one.differs ? offRecord.filter(({ path }) => !path.startsWith('$.responses')) : offRecord;
    judge(one, counted, 'recorded', 'NocoBase');
    return remove(workflow, false);
  }
  const found = differences(sides.nocobase, sides.sidehook, one.ignore);
  const differs = one.differs ?? HANDED_OVER[one.name];
  if (differs) {
    totals.onPurpose += 1;
    console.log(`on purpose ${one.name} (${found.length} places): ${differs}`);
    return remove(workflow, false);
  }
  if (offRecord.length) {
    totals.offRecord += 1;
    console.log(`off the record ${one.name}: NocoBase itself has done something else than recorded`);
    print(offRecord, 'recorded', 'NocoBase');
  }
  judge(one, found, 'NocoBase', 'sidehook');
  await remove(workflow, found.length > 0);
}

function judge({ name, about }, found, left, right) {
  totals[found.length ? 'different' : 'same'] += 1;
  if (!found.length) return;
  console.log(`DIFFERENT ${name}: ${about}`);
  print(found, left, right);
}

/** Leaves a workflow whose sides differ for people to look at, switched off. */
async function remove({ id }, isKept) {
  await api.post('workflows:update', { enabled: false }, { filterByTk: id });
  if (isKept) return;
  await database.query(
    'DELETE FROM jobs WHERE "executionId" IN (SELECT id FROM executions WHERE "workflowId" = $1 AND status <> 0)',
    [id],
  );
  await database.query('DELETE FROM executions WHERE "workflowId" = $1 AND status <> 0', [id]);
  await api.post('workflows:destroy', undefined, { filterByTk: id });
}

function print(found, left, right) {
  const text = (value) => (value === undefined ? 'missing' : JSON.stringify(value));
  for (const one of found.slice(0, 10)) {
    console.log(`  ${one.path}\n    ${left}: ${text(one.left)}\n    ${right}: ${text(one.right)}`);
  }
  if (found.length > 10) console.log(`  and ${found.length - 10} more`);
}

async function createCollections({ collections = [] }) {
  for (const collection of collections) {
    const existing = await api.get('collections:list', { filter: JSON.stringify({ name: collection.name }) });
    if (!existing.data.length) await api.post('collections:create', collection);
  }
}

/** Creates the workflow and its nodes, then switches it on. */
async function createWorkflow({ name, sync, options = { timeout: 0 }, trigger, nodes }) {
  const values = { title: name, type: 'webhook', sync, options, config: trigger, enabled: false };
  const { data } = await api.post('workflows:create', values);
  const ids = [];
  await createNodes(data.id, nodes, null, null, ids);
  await api.post('workflows:update', { enabled: true }, { filterByTk: data.id });
  return { id: data.id, key: data.key, nodeIds: ids };
}

async function createNodes(workflowId, nodes, upstreamId, branchIndex, ids) {
  let previous = upstreamId;
  for (const [index, { key, type, config, title, branches = {} }] of nodes.entries()) {
    const values = {
      key,
      type,
      config,
      title,
      upstreamId: previous,
      branchIndex: index === 0 ? branchIndex : null,
    };
    const id = await createNode(workflowId, values);
    ids.push(id);
    for (const [branch, inner] of Object.entries(branches)) {
      if (inner.length) await createNodes(workflowId, inner, id, Number(branch), ids);
    }
    previous = id;
  }
}

/** By SQL where NocoBase refuses the configuration or the type: the cases pin what then happens. */
async function createNode(workflowId, values) {
  try {
    return (await api.post(`workflows/${workflowId}/nodes:create`, values)).data.id;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 400) throw error;
  }
  totals.bySql += 1;
  const { key, type, config, title, upstreamId, branchIndex } = values;
  const seconds = Math.floor(Date.now() / 1000) - 1605024000;
  const id = seconds * 2 ** 21 + 30 * 2 ** 16 + 0x8000 + totals.bySql;
  await database.query(
    `INSERT INTO flow_nodes (id, "createdAt", "updatedAt", key, type, config, title, "upstreamId", "branchIndex", "workflowId")
     VALUES ($1, now(), now(), $2, $3, $4::text::json, $5, $6, $7, $8)`,
    [id, key, type, JSON.stringify(config), title, upstreamId, branchIndex, workflowId],
  );
  if (upstreamId !== null && branchIndex === null) {
    await database.query('UPDATE flow_nodes SET "downstreamId" = $1 WHERE id = $2', [id, upstreamId]);
  }
  return id;
}

/** Sends the requests to one side and reads what it has left. `known` are the executions of the other side. */
async function runSide(one, workflow, url, known) {
  const before = await stats(workflow.id);
  const from = Date.now();
  const responses = [];
  for (const request of one.requests) {
    responses.push(await send(url, workflow.key, request));
    if (!one.sync) await settle(workflow.id, known, responses.length, request.wait ?? one.wait ?? 10);
  }
  if (one.sync) await settle(workflow.id, known, responses.length, one.wait ?? 10);
  const executions = [];
  for (const id of await executionIds(workflow.id, known)) {
    executions.push((await api.get('executions:get', { filterByTk: id, appends: ['jobs'] })).data);
    known.add(id);
  }
  const tables = [];
  for (const table of one.inspect ?? []) {
    const { rows } = await database.query(
      `SELECT row_to_json(inspected)::text AS row FROM (${table}) inspected`,
    );
    tables.push({ table, rows: rows.map(({ row }) => JSON.parse(row)) });
  }
  const after = await stats(workflow.id);
  const jobIds = executions.flatMap(({ jobs }) => jobs.map(({ id }) => id));
  const ids = new Set(
    [workflow.id, ...workflow.nodeIds, ...executions.map(({ id }) => id), ...jobIds].map(String),
  );
  const recorded = {
    responses,
    rows: [...executions.map(toRow), ...tables],
    stats: after.map((count, i) => count - before[i]),
  };
  return normalise(recorded, { ids, from, to: Date.now() });
}

async function send(url, key, { method = 'POST', headers = {}, query, body }) {
  const hasType = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
  const type = typeof body === 'string' ? 'text/plain' : 'application/json';
  const response = await fetch(`${url}/api/webhook:trigger/${key}${query ? `?${query}` : ''}`, {
    method,
    headers: body === undefined || hasType ? headers : { ...headers, 'content-type': type },
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  const contentType = response.headers.get('content-type');
  return { status: response.status, body: contentType === null ? null : parseOr(text), contentType };
}

function parseOr(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function executionIds(workflowId, known) {
  const { data } = await api.get('executions:list', {
    filter: JSON.stringify({ workflowId }),
    sort: 'id',
    pageSize: 200,
    fields: ['id', 'status'],
  });
  return data.filter(({ id }) => !known.has(id)).map(({ id }) => id);
}

async function settle(workflowId, known, count, patience) {
  const deadline = Date.now() + patience * 1000;
  const statement = 'SELECT id, status FROM executions WHERE "workflowId" = $1';
  while (Date.now() < deadline) {
    const { rows } = await database.query(statement, [workflowId]);
    const own = rows.filter(({ id }) => !known.has(Number(id)));
    if (own.length >= count && own.every(({ status }) => status)) return;
    await sleep(50);
  }
}

async function stats(workflowId) {
  const { data } = await api.get('workflows:get', {
    filterByTk: workflowId,
    appends: ['stats', 'versionStats'],
  });
  return [Number(data.stats?.executed), Number(data.versionStats?.executed)];
}

/** An execution as the cases write it. */
function toRow(row) {
  const jobs = [...row.jobs].sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
  const { status, reason, output, context, dispatched, manually, stack, parentExecutionId } = row;
  const position = (id) => (id === null ? -1 : jobs.findIndex((job) => String(job.id) === String(id)));
  return {
    execution: {
      status,
      reason,
      output,
      context,
      dispatched,
      manually,
      stack,
      parentExecutionId,
      started: row.startedAt !== null,
      expires: row.expiresAt !== null,
    },
    jobs: jobs.map((job) => ({
      node: job.nodeKey,
      status: job.status,
      result: job.result,
      meta: job.meta,
      log: job.log,
      started: job.startedAt !== null,
      upstream: position(job.upstreamId) < 0 ? null : position(job.upstreamId),
    })),
  };
}

function report() {
  const { same, different, onPurpose, failed, offRecord, bySql } = totals;
  const missing = [...leftOut].map(([need, count]) => `${need} ${count}`).join(', ');
  if (missing) console.log(`left out, because sidehook lacks: ${missing}`);
  if (bySql)
    console.log(`${bySql} nodes were written by SQL: NocoBase's API refuses their configuration or type`);
  if (offRecord) console.log(`${offRecord} cases: NocoBase is off its own record`);
  console.log(
    `${same} cases agree, ${different} differ, ${onPurpose} differ on purpose, ${failed} could not be run`,
  );
}
