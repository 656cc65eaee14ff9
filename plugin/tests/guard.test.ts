import { expect, test } from 'vitest';
import { guardClaims, putUpGuard } from '../src/server/guard';
import type { Database, WorkflowPlugin } from '../src/server/nocobase';
import { webhookKey } from '../src/server/route';
import { Tables } from '../src/server/tables';

const log = () => {
  const lines: string[] = [];
  return {
    lines,
    info: (line: string) => void lines.push(line),
    warn: (line: string) => void lines.push(line),
  };
};

test('executions with a lease are left alone, all others go on', async () => {
  const dispatcher = {
    marker: 'kept',
    async resolveTask(task: { executionId: number | string }) {
      return [this.marker, task];
    },
  };
  const lines = log();
  expect(
    putUpGuard(
      { dispatcher } as unknown as WorkflowPlugin,
      async ({ executionId }) => executionId === 1,
      lines,
    ),
  ).toBe(true);
  expect(await dispatcher.resolveTask({ executionId: 1 })).toBeNull();
  expect(await dispatcher.resolveTask({ executionId: 2 })).toEqual(['kept', { executionId: 2 }]);
  expect(lines.lines).toHaveLength(1);
});

/** NocoBase's dispatcher, as far as it begins with executions: `row` is what another process has made of it meanwhile. */
class Dispatcher {
  claims = 0;
  constructor(private row: object) {}
  async acquireExecution(execution: object, _options: object) {
    Object.assign(execution, this.row);
    return this.enter(execution as { status: number | null });
  }
  async enter(execution: { status: number | null }) {
    if (execution.status === 0) return execution;
    this.claims += 1;
    return Object.assign(execution, begun);
  }
}
const waiting = { status: null, dispatched: false, startedAt: null };
const begun = { status: 0, dispatched: true, startedAt: 'now' };

test.each([
  ['NocoBase begins with an execution that waits', waiting, {}, true],
  ['one with which another process has begun meanwhile is left to it', waiting, begun, false],
  ['one that has been begun with goes on', begun, {}, true],
])('%s', async (_, before, meanwhile, isEntered) => {
  const dispatcher = new Dispatcher(meanwhile);
  expect(guardClaims({ dispatcher } as unknown as WorkflowPlugin)).toBe(true);
  const execution = { ...before };
  expect(await dispatcher.acquireExecution(execution, {})).toEqual(isEntered ? begun : null);
  expect(dispatcher.claims).toBe(before === waiting && isEntered ? 1 : 0);
});

test('a claim that was rolled back and tried again is one of an execution that waits still', async () => {
  const dispatcher = new Dispatcher({});
  guardClaims({ dispatcher } as unknown as WorkflowPlugin);
  const execution = { ...waiting };
  await dispatcher.acquireExecution(execution, {});
  // The transaction was lost after the row had been read again, and another process was faster.
  expect(await dispatcher.acquireExecution(execution, {})).toBeNull();
});

test('a dispatcher with other methods begins as it did', () => {
  expect(guardClaims({} as WorkflowPlugin)).toBe(false);
  expect(guardClaims({ dispatcher: { enter: async () => null } } as unknown as WorkflowPlugin)).toBe(false);
});

test('says so when NocoBase has another dispatcher', () => {
  const lines = log();
  expect(putUpGuard({} as WorkflowPlugin, async () => true, lines)).toBe(false);
  expect(lines.lines[0]).toContain('dispatcher is not known');
});

function database(dialect: string, query: (sql: string, options: object) => unknown, exists: boolean) {
  const tables: unknown[] = [];
  const queries = {
    quoteIdentifier: (name: string) => `"${name}"`,
    tableExists: async (table: unknown) => {
      tables.push(table);
      return exists;
    },
  };
  const db = {
    options: { dialect },
    sequelize: {
      query: async (sql: string, options: object) => query(sql, options),
      getQueryInterface: () => queries,
    },
  };
  return { db: db as unknown as Database, tables };
}

test('leases are looked up in the table of this deployment', async () => {
  const asked: unknown[] = [];
  const { db } = database(
    'postgres',
    (sql, options) => (asked.push(sql, options), [{ execution_id: '5' }]),
    true,
  );
  expect(await new Tables(db, { DB_SCHEMA: 'nbs', DB_TABLE_PREFIX: 'nb_' }).isLeased(5)).toBe(true);
  expect(asked[0]).toBe(
    'SELECT execution_id FROM "nbs"."sidehook_nb_leases" WHERE execution_id = :executionId',
  );
  expect(asked[1]).toMatchObject({ replacements: { executionId: 5 } });
});

test('a database without the table has no leases; one that fails has an error', async () => {
  const fail = () => {
    throw new Error('no');
  };
  const missing = database('sqlite', fail, false);
  expect(await new Tables(missing.db, { DB_SCHEMA: 'ignored' }).isLeased(5)).toBe(false);
  expect(missing.tables).toEqual(['sidehook_leases']);
  await expect(new Tables(database('postgres', fail, true).db, {}).isLeased(5)).rejects.toThrow('no');
});

test.each([
  ['/api/webhook:trigger/abc', undefined, 'abc'],
  ['/api/webhooks/abc', '/api/', 'abc'],
  ['/x/y/webhooks/a%20b/', 'x/y', 'a b'],
  ['/api/webhooks/a/b', '/api/', undefined],
  ['/api/webhooks/', '/api/', undefined],
  ['/api/webhook:other/abc', '/api/', undefined],
  ['/webhooks/abc', '/api/', undefined],
  ['/api/webhook:trigger', '/api/', undefined],
  ['/api/webhook%3Atrigger/abc/', '/api/', 'abc'],
])('%s below %s calls %s', (path, base, key) => {
  expect(webhookKey(path, base)).toBe(key);
});

test('the key may be given as NocoBase also takes it', () => {
  for (const path of ['/api/webhook:trigger', '/api/webhook:trigger/', '/api/webhook%3atrigger']) {
    expect(webhookKey(path, '/api/', 'a=1&filterByTk=a%20b')).toBe('a b');
    expect(webhookKey(path, '/api/', 'filterByTk[]=a')).toBeUndefined();
  }
  expect(webhookKey('/api/webhooks/', '/api/', 'filterByTk=a')).toBeUndefined();
  expect(webhookKey('/api/webhook:trigger/b', '/api/', 'filterByTk=a')).toBe('b');
});
