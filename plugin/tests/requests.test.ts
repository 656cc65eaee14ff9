import { expect, test } from 'vitest';
import type { Database } from '../src/server/nocobase';
import { RequestLog, webhooks } from '../src/server/requests';
import { Tables } from '../src/server/tables';

const ROW = {
  id_text: '1152921504606846977',
  received_at: '1790000000000',
  workflow_key: 'orders',
  workflow_id_text: '5',
  method: 'POST',
  path: '/api/webhooks/orders',
  query: '',
  content_type: 'application/json',
  body_size: 12,
  peer: '203.0.113.7',
  duration_ms: null,
  status: 401,
  reason: 'The signature is wrong.',
  execution_id_text: null,
  delivery_id: null,
  duplicate_of_text: '1152921504606846976',
  instance: 0,
};

function log({ rows = [ROW] as object[], dialect = 'sqlite', isThere = true } = {}) {
  const asked: { sql: string; replacements: object }[] = [];
  const sequelize = {
    query: async (sql: string, { replacements }: { replacements: object }) => {
      if (!isThere) throw new Error('no such table');
      asked.push({ sql: sql.replace(/\s+/g, ' '), replacements });
      return rows;
    },
    getQueryInterface: () => ({
      quoteIdentifier: (name: string) => `"${name}"`,
      tableExists: async () => isThere,
    }),
  };
  const db = { options: { dialect }, sequelize } as unknown as Database;
  return { requests: new RequestLog(new Tables(db, {})), asked };
}

const whereOf = (sql: string) => / WHERE (.*) ORDER BY /.exec(sql)?.[1];

test('rows come newest first, with all digits of their ids', async () => {
  const { requests, asked } = log();
  expect(await requests.list({})).toEqual([
    {
      id: '1152921504606846977',
      receivedAt: 1790000000000,
      workflowKey: 'orders',
      workflowId: '5',
      method: 'POST',
      path: '/api/webhooks/orders',
      query: '',
      contentType: 'application/json',
      bodySize: 12,
      peer: '203.0.113.7',
      durationMs: null,
      status: 401,
      reason: 'The signature is wrong.',
      executionId: null,
      deliveryId: null,
      duplicateOf: '1152921504606846976',
      instance: 0,
    },
  ]);
  const { sql } = asked[0]!;
  expect(sql).toMatch(
    /^SELECT CAST\(id AS CHAR\) AS id_text, .* FROM "sidehook_requests" ORDER BY id DESC LIMIT 50$/,
  );
  // What may be large is read for one request only.
  expect(sql).not.toMatch(/headers|body,/);
  const postgres = log({ dialect: 'postgres' });
  await postgres.requests.list({ limit: '1000' });
  expect(postgres.asked[0]!.sql).toMatch(/CAST\(id AS VARCHAR\) .* LIMIT 200$/);
});

test('everything that is asked for has to hold', async () => {
  const { requests, asked } = log();
  await requests.list({
    workflow: 'orders',
    outcome: 'refused',
    from: '10',
    before: 20,
    below: '9',
    above: '3',
  });
  expect(whereOf(asked[0]!.sql)).toBe(
    'workflow_key = :workflow AND status BETWEEN 400 AND 499 AND received_at >= 10 AND received_at < 20 AND id < 9 AND id > 3',
  );
  expect(asked[0]!.replacements).toEqual({ workflow: 'orders' });
});

test('calls of a URL are found also where there was no workflow', async () => {
  const { requests, asked } = log();
  await requests.list({ to: 'a_b/c' });
  expect(whereOf(asked[0]!.sql)).toBe(
    "(workflow_key = :to OR path LIKE :path ESCAPE '!' OR path LIKE :slashed ESCAPE '!')",
  );
  expect(asked[0]!.replacements).toEqual({ to: 'a_b/c', path: '%/a!_b!%2Fc', slashed: '%/a!_b!%2Fc/' });
});

test('a text is looked for as it is written, capital or not', async () => {
  const { requests, asked } = log();
  await requests.list({ text: '100%_A!' });
  expect(whereOf(asked[0]!.sql)).toContain("LOWER(reason) LIKE :text ESCAPE '!' OR LOWER(delivery_id) LIKE");
  expect(asked[0]!.replacements).toEqual({ text: '%100!%!_a!!%' });
});

test('the id of an execution finds its request and those of its duplicates', async () => {
  const { requests, asked } = log();
  await requests.list({ text: ' 400079542321152' });
  const { sql, replacements } = asked[0]!;
  expect(whereOf(sql)).toMatch(/ OR execution_id = 400079542321152 OR duplicate_of = 400079542321152\)$/);
  expect(replacements).toEqual({ text: '% 400079542321152%' });
  for (const text of ['4000795423211529999999', '40007954232115a', '1 OR 1=1']) await requests.list({ text });
  for (const { sql } of asked.slice(1)) expect(sql).not.toMatch(/execution_id =/);
});

test('what makes no sense is left out, and never part of a statement', async () => {
  const { requests, asked } = log();
  const hostile = '1 OR 1=1';
  const parameters = {
    outcome: 'toString',
    from: hostile,
    below: '-1',
    above: ['1'],
    text: '',
    workflow: {},
  };
  await requests.list({ ...parameters, limit: hostile });
  expect(whereOf(asked[0]!.sql)).toBe('id > 1');
  expect(asked[0]!.sql).toMatch(/LIMIT 50$/);
  expect(await requests.get(hostile)).toBeUndefined();
  expect(asked).toHaveLength(1);
});

test('one request has its headers and what is kept of its body', async () => {
  const row = {
    ...ROW,
    headers: '[["content-type","text/plain"],"x"]',
    body: 'aGk=',
    body_encoding: 'base64',
  };
  const { requests, asked } = log({ rows: [{ ...row, body_sha256: 'ab', is_admitted: 1 }] });
  expect(await requests.get('1152921504606846977')).toMatchObject({
    headers: [['content-type', 'text/plain']],
    body: 'aGk=',
    bodyEncoding: 'base64',
    bodySha256: 'ab',
    isAdmitted: true,
  });
  expect(asked[0]!.sql).toMatch(/ WHERE id = 1152921504606846977$/);
  const broken = log({ rows: [{ ...ROW, headers: '{' }] });
  expect((await broken.requests.get(1))!.headers).toEqual([]);
  expect(await log({ rows: [] }).requests.get('1')).toBeUndefined();
});

test('a database that sidehook has not served has no log', async () => {
  const { requests } = log({ isThere: false });
  expect(await requests.list({})).toEqual([]);
  expect(await requests.isThere()).toBe(false);
});

test('webhooks are called by their titles', async () => {
  const asked: object[] = [];
  const repository = {
    find: async (options: object) => (
      asked.push(options),
      [
        { id: 1, key: 'a', title: 'Orders' },
        { id: '2', key: 'b', title: null },
      ]
    ),
  };
  const db = { getRepository: () => repository } as unknown as Database;
  expect(await webhooks(db)).toEqual([
    { key: 'a', title: 'Orders', id: '1' },
    { key: 'b', title: 'b', id: '2' },
  ]);
  expect(asked).toMatchObject([{ filter: { type: 'webhook', current: true } }]);
});
