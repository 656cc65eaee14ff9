// `GET sidehook:status`: whether sidehook is there, for people who set it up.

import { type Health, healthOf } from './health';
import { causeOf, type Hindered, type Manager, type Obstacle } from './manage';
import type { Database } from './nocobase';
import type { Counted, Instance, Tables } from './tables';

const PATIENCE_MS = 3000;

export interface Backlog extends Omit<Counted, 'next'> {
  /** Since when the next one waits, in milliseconds since 1970. */
  waitingSince: number | null;
}

export interface Status {
  /** `SIDEHOOK_URL`, without credentials. */
  url: string | null;
  /** Null without a URL. */
  reachable: boolean | null;
  /** As sidehook tells it; null when it does not. */
  version: string | null;
  error: string | null;
  /** Those that have not ended. */
  instances: Instance[];
  /** Executions of sidehook that are not over. */
  backlog: Backlog;
  /** What this plugin does here, as opposed to another plugin with the same types. */
  registered: { trigger: boolean; response: boolean };
  guard: boolean;
  /** What sidehook says of itself; null where it does not. */
  health: Health | null;
  /** Why it does not. */
  obstacle: Obstacle | null;
}

/** What sidehook says of itself. */
export async function healthBy(manager: Manager): Promise<Pick<Status, 'health' | 'obstacle'>> {
  const told = await manager.health();
  if (isHindered(told)) return { health: null, obstacle: told.obstacle };
  return { health: healthOf(told.body), obstacle: null };
}

const isHindered = (told: object): told is Hindered => 'obstacle' in told;

/** Signs of life are as old as sidehook says, where it does: clocks of machines differ. */
export function agedBy(health: Health | null, instances: Instance[]): Instance[] {
  if (!health) return instances;
  return instances.map((instance) => {
    const told = health.instances.find(({ number }) => number === instance.id);
    return told ? { ...instance, silentFor: Math.round(told.silentMs / 1000) } : instance;
  });
}

/** Asks the server at `base` whether it can take events. */
export async function probe(
  base: URL | undefined,
): Promise<Pick<Status, 'url' | 'reachable' | 'version' | 'error'>> {
  if (!base) return { url: null, reachable: null, version: null, error: null };
  const url = `${base.protocol}//${base.host}${base.pathname}`;
  try {
    const health = new URL(`${base.pathname.replace(/\/$/, '')}/health/ready`, base);
    const response = await fetch(health, { signal: AbortSignal.timeout(PATIENCE_MS) });
    const version = response.headers.get('x-sidehook-version');
    const error = response.ok ? null : `${response.status}: ${(await response.text()).slice(0, 200)}`;
    return { url, reachable: response.ok, version, error };
  } catch (error) {
    return { url, reachable: false, version: null, error: causeOf(error) };
  }
}

/** What waits for sidehook. */
export async function backlog(db: Database, tables: Tables): Promise<Backlog> {
  const { next, ...counts } = await tables.backlog(Date.now());
  return { ...counts, waitingSince: next && (next.dueAt || (await createdAt(db, next.executionId))) };
}

async function createdAt(db: Database, executionId: string): Promise<number | null> {
  const options = { filterByTk: executionId, fields: ['createdAt'] };
  const execution = await db.getRepository('executions').findOne(options);
  return execution?.createdAt ? new Date(execution.createdAt).getTime() : null;
}
