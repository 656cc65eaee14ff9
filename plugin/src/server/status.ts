// `GET sidehook:status`: whether sidehook is there, for people who set it up.

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
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return {
      url,
      reachable: false,
      version: null,
      error: cause instanceof Error ? cause.message : String(cause),
    };
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
