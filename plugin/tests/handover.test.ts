import { expect, test, vi } from 'vitest';
import { Handovers } from '../src/server/handover';
import type { Database, Id, WorkflowPlugin } from '../src/server/nocobase';
import { type Handover, Tables } from '../src/server/tables';

const handover = (jobId: Id): Handover => ({
  jobId,
  executionId: `e${jobId}`,
  nodeId: 7,
  dueAt: 5,
  attempts: 0,
});

function set(due: Handover[], statuses: Record<string, number>, isMine = true, type = 'manual') {
  const lines: string[] = [];
  const line = (text: string) => void lines.push(text);
  const findOne = async ({ filterByTk: id }: { filterByTk: string }) =>
    id in statuses ? { id, workflowId: 1, status: statuses[id] } : null;
  const nodes = { findOne: async () => ({ type }) };
  const getRepository = (name: string) => (name === 'flow_nodes' ? nodes : { findOne });
  const db = { getRepository } as unknown as Database;
  const rerun = vi.fn(async () => {});
  const tables = {
    dueHandovers: async () => due,
    takeHandover: vi.fn(async () => isMine),
    refuseHandover: vi.fn(async () => {}),
  };
  const workflow = { rerun, instructions: new Map([['manual', {}]]) } as unknown as WorkflowPlugin;
  return { handovers: new Handovers(db, workflow, tables, { info: line, warn: line }), rerun, tables, lines };
}

test('what was handed over is run from its node on, in the row that is there', async () => {
  const { handovers, rerun, lines } = set([handover(1)], { e1: 0 });
  await handovers.look();
  expect(rerun.mock.calls).toEqual([[expect.objectContaining({ id: 'e1' }), { nodeId: 7, overwrite: true }]]);
  expect(lines[0]).toContain('execution e1');
});

test('executions that are over or gone are left alone', async () => {
  const { handovers, rerun, tables } = set([handover(1), handover(2)], { e1: -3 });
  await handovers.look();
  expect(rerun).not.toHaveBeenCalled();
  expect(tables.takeHandover).not.toHaveBeenCalled();
});

test('what another process has taken is not run twice', async () => {
  const { handovers, rerun } = set([handover(1)], { e1: 0 }, false);
  await handovers.look();
  expect(rerun).not.toHaveBeenCalled();
});

test('a database that fails is reported, and asked again', async () => {
  const { handovers, tables, lines } = set([], {});
  tables.dueHandovers = async () => {
    throw new Error('away');
  };
  await handovers.look();
  await handovers.look();
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain('away');
});

test('the next try is put off only where nobody else has', async () => {
  const asked: unknown[] = [];
  const db = {
    options: { dialect: 'postgres' },
    sequelize: {
      query: async (sql: string, options: object) => (asked.push(sql, options), 1),
      getQueryInterface: () => ({ quoteIdentifier: (name: string) => `"${name}"` }),
    },
  } as unknown as Database;
  const tables = new Tables(db, { DB_SCHEMA: 'nbs', DB_TABLE_PREFIX: 'nb_' });
  expect(await tables.takeHandover(handover(1), 99)).toBe(true);
  expect(asked[0]).toContain('UPDATE "nbs"."sidehook_nb_handovers"');
  expect(asked[0]).toContain('due_at = :dueAt AND attempts = :attempts');
  expect(asked[1]).toMatchObject({ replacements: { jobId: 1, dueAt: 5, attempts: 0, nextAt: 99 } });
});

test('a node of a type that NocoBase does not know either is refused at once', async () => {
  const { handovers, rerun, tables } = set([handover(1)], { e1: 0 }, true, 'no-such-type');
  await handovers.look();
  expect(tables.refuseHandover).toHaveBeenCalledTimes(1);
  expect(rerun).not.toHaveBeenCalled();
});
