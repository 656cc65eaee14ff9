// Sends webhooks to a NocoBase that hands them on to sidehook, and checks what sidehook has recorded.

import { connect, signIn } from './nocobase.mjs';

const [sidehook] = process.argv.slice(2);
const { NB_URL } = process.env;
const api = await signIn();
const database = await connect();
const faults = [];

const status = (await api.get('sidehook:status')).data;
expect('sidehook:status', [status.url, status.reachable, status.guard], [`${sidehook}/`, true, true]);

const config = {
  request: {
    headers: [{ key: 'x-forwarded-for' }],
    query: [{ key: 'a.b' }],
    body: [{ key: 'f' }, { key: 'file.size' }],
  },
};
const { data: workflow } = await api.post('workflows:create', {
  title: 'forward',
  type: 'webhook',
  sync: true,
  config,
  options: { timeout: 0 },
  enabled: false,
});
await api.post(`workflows/${workflow.id}/nodes:create`, {
  type: 'response',
  upstreamId: null,
  config: { statusCode: 202, headers: [{ name: 'X-A', value: 'b' }], body: '{{$context}}' },
});
await api.post('workflows:update', { enabled: true }, { filterByTk: workflow.id });

const form = new FormData();
form.set('f', 'grüße');
form.set('file', new Blob([new Uint8Array(3_000_000)]), 'big.bin');
for (const path of ['webhook:trigger', 'webhooks']) {
  const response = await fetch(`${NB_URL}/api/${path}/${workflow.key}?a[b]=c`, {
    method: 'POST',
    body: form,
    headers: { 'x-forwarded-for': '192.0.2.7' },
  });
  const expected = {
    headers: { 'x-forwarded-for': '192.0.2.7, 127.0.0.1' },
    query: { 'a.b': 'c' },
    body: { f: 'grüße', 'file.size': 3_000_000 },
  };
  expect(`${path}: status`, [response.status, response.headers.get('x-a')], [202, 'b']);
  expect(`${path}: body`, await response.json(), expected);
}
const refused = await fetch(`${NB_URL}/api/webhooks/nosuchkey`, { method: 'POST' });
expect('an unknown key', refused.status, 404);
const looped = await fetch(`${NB_URL}/api/webhooks/${workflow.key}`, {
  method: 'POST',
  headers: { 'x-sidehook-hop': '1' },
});
expect('a request that has come round', looped.status, 508);

// sidehook writes ids with sequences from 32768 up, NocoBase below.
const { rows } = await database.query('SELECT id FROM executions WHERE "workflowId" = $1', [workflow.id]);
expect(
  'executions by sidehook',
  rows.map(({ id }) => Number(BigInt(id) & 0xffffn) >= 32768),
  [true, true],
);
await database.query(
  'DELETE FROM jobs WHERE "executionId" IN (SELECT id FROM executions WHERE "workflowId" = $1)',
  [workflow.id],
);
await database.query('DELETE FROM executions WHERE "workflowId" = $1', [workflow.id]);
await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
await database.end();
faults.forEach((fault) => console.log(fault));
console.log(`forwarding: ${faults.length} faults`);
process.exit(faults.length ? 1 : 0);

function expect(what, actual, expected) {
  const [left, right] = [actual, expected].map((value) => JSON.stringify(value));
  if (left !== right) faults.push(`${what}: ${left} instead of ${right}`);
}
