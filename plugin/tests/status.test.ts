import { afterEach, expect, test, vi } from 'vitest';
import { isAlive, isMissed } from '../src/pages/alive';
import { noticeProvider } from '../src/pages/notice';
import type { Database } from '../src/server/nocobase';
import { healthOf } from '../src/server/health';
import { agedBy, backlog, type Status } from '../src/server/status';
import { Tables } from '../src/server/tables';

afterEach(() => void vi.useRealTimers());

const instance = (silentFor: number) => ({ id: 0, generation: 1, silentFor });
const status = (values: Partial<Status>) =>
  ({ url: null, reachable: null, instances: [], ...values }) as Status;

const ALIVE = status({ instances: [instance(1)] });
const DEAD = status({ instances: [instance(40)] });
const UNREACHABLE = status({ url: 'http://s/', reachable: false, instances: [instance(1)] });

const webhook = (sidehook?: object) => ({ id: 7, type: 'webhook', config: { sidehook } });
const SIGNED = webhook({ signature: { scheme: 'github', secret: 's' } });

test('a sidehook is alive that gives signs of life, and is reached where calls are handed on', () => {
  expect([ALIVE, DEAD, UNREACHABLE, status({})].map(isAlive)).toEqual([true, false, false, false]);
  expect(isAlive(status({ url: 'http://s/', reachable: true }))).toBe(true);
});

test('what NocoBase serves by itself is not missed', () => {
  expect(isMissed(SIGNED, DEAD)).toBe(true);
  expect(isMissed(SIGNED, ALIVE)).toBe(false);
  expect(isMissed(webhook(), DEAD)).toBe(false);
  expect(isMissed(webhook({ context: 'full', log: 'bodies' }), DEAD)).toBe(false);
  // What is handed on is not served here.
  expect(isMissed(webhook(), UNREACHABLE)).toBe(true);
  expect(isMissed({ ...SIGNED, type: 'schedule' }, UNREACHABLE)).toBe(false);
  expect(isMissed(null, DEAD)).toBe(false);
});

const TEXTS = { message: 'nobody', description: 'start one' };

test('cards and the list say it, and ask no more than now and then', async () => {
  const request = vi.fn(async () => ({ data: { data: DEAD } }));
  const { ask, provider } = noticeProvider({ request }, () => TEXTS);
  const card = (workflow: object) =>
    provider.getNotices({ workflow: { ...workflow }, surface: 'trigger-node-card' });
  await ask();
  const notice = { key: 'sidehook', type: 'warning', ...TEXTS };
  expect(card(SIGNED)).toEqual(notice);
  expect(card(webhook())).toBeNull();
  expect(
    await provider.loadWorkflowListNotices({ workflows: [SIGNED, { id: 8, type: 'schedule' }] }),
  ).toEqual({
    7: notice,
    8: null,
  });
  expect(provider.getNotices({ workflow: SIGNED, surface: 'workflow-list-row' })).toBeNull();
  expect(request).toHaveBeenCalledOnce();
});

test('those who may not know the status are told nothing', async () => {
  const request = async () => {
    throw new Error('403');
  };
  const { ask, provider } = noticeProvider({ request }, () => TEXTS);
  await ask();
  expect(provider.getNotices({ workflow: SIGNED, surface: 'trigger-node-card' })).toBeNull();
});

function database(answers: Record<string, object[]>, asked: string[] = []) {
  const sequelize = {
    query: async (sql: string) => {
      asked.push(sql);
      return Object.entries(answers).find(([part]) => sql.includes(part))?.[1] ?? [];
    },
    getQueryInterface: () => ({ quoteIdentifier: (name: string) => name }),
  };
  const findOne = async ({ filterByTk }: { filterByTk: string }) => ({
    createdAt: filterByTk === '400079542321152' ? '2026-11-27T16:00:00.000Z' : undefined,
  });
  return {
    options: { dialect: 'sqlite' },
    sequelize,
    getRepository: () => ({ findOne }),
  } as unknown as Database;
}

test('the backlog is what waits and runs, and since when', async () => {
  const asked: string[] = [];
  const at = (dueAt: string) => ({
    'COUNT(*)': [{ total: '9', running: '2', sleeping: '4' }],
    'LIMIT 1': [{ execution_id_text: '400079542321152', due_at: dueAt }],
  });
  const db = database(at('0'), asked);
  const counts = { running: 2, waiting: 3, sleeping: 4 };
  expect(await backlog(db, new Tables(db, {}))).toEqual({
    ...counts,
    waitingSince: Date.parse('2026-11-27T16:00:00Z'),
  });
  // What sleeps until a time does not wait for a sidehook.
  expect(asked[1]).toContain('WHERE instance_id IS NULL AND due_at <= :now ');
  const woken = database(at('1790000000000'));
  expect(await backlog(woken, new Tables(woken, {}))).toEqual({ ...counts, waitingSince: 1_790_000_000_000 });
  const idle = database({ 'COUNT(*)': [{ total: 4, running: 0, sleeping: 4 }] });
  const none = { running: 0, waiting: 0, sleeping: 4, waitingSince: null };
  expect(await backlog(idle, new Tables(idle, {}))).toEqual(none);
});

test('an instance that has ended is not there', async () => {
  vi.useFakeTimers();
  vi.setSystemTime(1_790_000_000_000);
  const asked: string[] = [];
  const db = database({ instances: [{ id: 3, generation: '2', heartbeat_at: '1789999996000' }] }, asked);
  expect(await new Tables(db, {}).instances()).toEqual([{ id: 3, generation: 2, silentFor: 4 }]);
  expect(asked[0]).toContain('WHERE heartbeat_at > 0 ');
});

const AT = '2026-11-27T16:00:00Z';

test('sidehook may tell less than is known of it', () => {
  const lists = { instances: [], features: [], errors: [], hour: [], findings: [] };
  const nothing = {
    instance: null,
    queued: null,
    ...lists,
    requestsKeptSeconds: null,
    requestsKeptSecondsUnset: null,
  };
  expect(healthOf({})).toEqual(nothing);
  const [own, left] = [
    { key: 'k', title: 't', left: null },
    { key: 'l', title: '', left: 'because' },
  ];
  expect(healthOf({ queued: { isTaken: true, workflows: [own, left, 1] } }).queued).toEqual({
    isTaken: true,
    workflows: [own, left],
  });
  expect(healthOf({ instances: 1, features: {}, errors: [null], hour: 'x', findings: [] })).toEqual(nothing);
});

test('moments are numbers, and the newest error comes first', () => {
  const told = healthOf({
    instance: 3,
    errors: [
      { at: Date.parse(AT) - 1, message: 'old' },
      { at: AT, message: 'new' },
    ],
    hour: [{ at: AT, requests: { accepted: 3, refused: 1 }, p50Ms: 2, p95Ms: 9, p99Ms: null }],
    findings: [{ subject: 'database', fault: 'is slow', mend: 'Make it fast.' }],
  });
  expect(told.errors.map(({ message }) => message)).toEqual(['new', 'old']);
  const counts = { accepted: 3, refused: 1, failed: 0, p50Ms: 2, p95Ms: 9, p99Ms: null };
  expect(told.hour).toEqual([{ at: Date.parse(AT), ...counts }]);
  expect(told.findings).toEqual([{ subject: 'database', fault: 'is slow', mend: 'Make it fast.' }]);
});

test('signs of life are as old as sidehook says', () => {
  const health = healthOf({ instances: [{ number: 0, silentMs: 1400 }] });
  const other = { ...instance(40), id: 1 };
  // NocoBase's clock may go wrong.
  expect(agedBy(health, [instance(60), other])).toEqual([instance(1), other]);
  expect(agedBy(null, [instance(60)])).toEqual([instance(60)]);
});
