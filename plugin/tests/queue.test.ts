import { expect, test, vi } from 'vitest';
import type { Database, WorkflowPlugin } from '../src/server/nocobase';
import { Queue } from '../src/server/queue';
import { type Announced, Tables } from '../src/server/tables';

const one = (beat: string, ...workflows: string[]): Announced => ({ instance: '3.7', beat, workflows });

function set(announced: () => Announced[], executions: Record<string, object> = {}, isGuarded = true) {
  let now = 1_000_000;
  const tables = {
    announced: async () => announced(),
    sayGuarded: vi.fn(async (_: string) => {}),
    unsayGuarded: vi.fn(async () => {}),
  };
  const findOne = async ({ filterByTk: id }: { filterByTk: string }) => executions[id] ?? null;
  const db = { getRepository: () => ({ findOne }) } as unknown as Database;
  const recover = vi.fn(async () => {});
  const lines: string[] = [];
  const line = (text: string) => void lines.push(text);
  const workflow = { recover } as unknown as WorkflowPlugin;
  const log = { info: line, warn: line };
  const queue = new Queue(db, workflow, tables, isGuarded, log, () => now);
  return { queue, tables, recover, lines, pass: (ms: number) => void (now += ms) };
}

test('messages that begin executions of announced workflows are sidehook’s, no others', async () => {
  const executions = {
    taken: { workflowId: 9 },
    other: { workflowId: 8 },
    manual: { workflowId: 9, manually: true },
    part: { workflowId: 9, parentExecutionId: 4 },
  };
  const { queue } = set(() => [one('1', '9')], executions);
  const takes = async (executionId: string, more = {}) => queue.takes({ executionId, ...more });
  expect(await takes('taken')).toBe(false);
  await queue.look();
  expect(await takes('taken')).toBe(true);
  for (const id of ['other', 'manual', 'part', 'gone']) expect(await takes(id), id).toBe(false);
  expect(await takes('taken', { jobId: 5 })).toBe(false);
  expect(await takes('taken', { rerun: {} })).toBe(false);
});

test('it says again and again that it keeps NocoBase away, and takes that back at the end', async () => {
  const { queue, tables, pass } = set(() => [one('1', '9')]);
  await queue.look();
  await queue.look();
  expect(tables.sayGuarded).toHaveBeenCalledTimes(1);
  pass(2000);
  await queue.look();
  const said = tables.sayGuarded.mock.calls.map(([text]) => text);
  expect(new Set(said).size).toBe(2);
  await queue.stop();
  expect(tables.unsayGuarded).toHaveBeenCalled();
});

test('where nothing is announced nothing is said', async () => {
  const { queue, tables, recover } = set(() => []);
  await queue.look();
  await queue.stop();
  expect(tables.sayGuarded).not.toHaveBeenCalled();
  expect(tables.unsayGuarded).not.toHaveBeenCalled();
  expect(recover).not.toHaveBeenCalled();
});

test('NocoBase goes on with its queue when an instance is silent or has taken its word back', async () => {
  let announced = [one('1', '9', '8')];
  const { queue, recover, pass } = set(() => announced, { e: { workflowId: 9 } });
  await queue.look();
  pass(15_001);
  await queue.look();
  expect(recover).toHaveBeenCalledTimes(1);
  expect(await queue.takes({ executionId: 'e' })).toBe(false);
  announced = [one('2', '9')];
  await queue.look();
  expect(await queue.takes({ executionId: 'e' })).toBe(true);
  announced = [];
  await queue.look();
  expect(recover).toHaveBeenCalledTimes(2);
});

test('a NocoBase whose dispatcher is not known keeps its queue', async () => {
  const { queue, tables } = set(() => [one('1', '9')], { e: { workflowId: 9 } }, false);
  await queue.look();
  expect(tables.sayGuarded).not.toHaveBeenCalled();
  expect(await queue.takes({ executionId: 'e' })).toBe(false);
});

test('a database that does not answer is no reason to end', async () => {
  const { queue, lines } = set(() => {
    throw new Error('away');
  });
  await queue.look();
  expect(lines[0]).toContain('away');
});

test('only the instance that has a number now has announced what is said under it', async () => {
  const sequelize = {
    query: async (sql: string) =>
      sql.includes('settings')
        ? [
            { name: 'queued:3', value: '{"generation":"7","workflows":["9"]}' },
            { name: 'queued:4', value: '{"generation":"1","workflows":["8"]}' },
          ]
        : [
            { id: 3, generation: '7', heartbeat_at: '5' },
            { id: 4, generation: '2', heartbeat_at: '5' },
          ],
    getQueryInterface: () => ({ quoteIdentifier: (text: string) => text }),
  };
  const db = { options: { dialect: 'postgres' }, sequelize } as unknown as Database;
  expect(await new Tables(db, {}).announced()).toEqual([one('5', '9')]);
});
