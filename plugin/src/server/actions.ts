// The actions of the resource `sidehook`, for NocoBase's screens, and who may call which.

import { apiPathOf } from './application';
import { exampleOf, examples } from './examples';
import { healthOf } from './health';
import type { Imported } from './import';
import type { Manager } from './manage';
import type { Context, Database, Next } from './nocobase';
import { publicUrl, reach } from './reach';
import { idOf, type Parameters, RequestLog, webhooks } from './requests';
import type { Status } from './status';
import type { Tables } from './tables';

/** How long somebody waits for a sample at most. */
const MOST_LISTENING_S = 300;

interface Parts {
  tables: Tables;
  db: Database;
  manager: Manager;
  /** The name of this application. */
  app: string;
  /** Whether NocoBase hands calls on to sidehook. */
  isForwarding: boolean;
  environment: Record<string, string | undefined>;
  status: () => Promise<Status>;
  /** Undefined where this NocoBase cannot. */
  recover: () => Promise<void> | undefined;
  /** Adds a workflow from a file. */
  importing: (file: unknown, ctx: Context) => Promise<Imported>;
}

/** Permissions of a role. Requests hold what senders send, which is for fewer people; who sees them may send
 * them again, and say for how long they are kept. Who imports a workflow creates its collections, too. */
export const SNIPPETS = [
  { name: 'pm.sidehook', actions: ['status', 'reach', 'recover'] },
  {
    name: 'pm.sidehook.requests',
    actions: ['requests', 'webhooks', 'retention', 'retain', 'replay', 'listen'],
  },
  { name: 'pm.sidehook.examples', actions: ['examples', 'import'] },
].map(({ name, actions }) => ({ name, actions: actions.map((action) => `sidehook:${action}`) }));

type Answer = (params: Parameters, ctx: Context) => unknown;

export function actionsOf({
  tables,
  db,
  app,
  manager,
  isForwarding,
  environment,
  status,
  recover,
  importing,
}: Parts) {
  const looking: Record<string, Answer> = {
    status,
    requests: (params) => requests(tables, params),
    webhooks: () => webhooks(db),
    examples,
    retention: () => retention(manager, environment),
    reach: ({ protocol }, ctx) => {
      const isEncrypted = protocol === 'https:' || 'encrypted' in ctx.req.socket;
      const base = publicUrl(ctx.req.headers, isEncrypted, apiPathOf(app, environment.API_BASE_PATH));
      return base ? reach(base, isForwarding) : ctx.throw(400, 'The request does not say by which host.');
    },
  };
  const changing: Record<string, Answer> = {
    recover: async () => {
      const recovering = recover();
      await recovering;
      return { recovered: Boolean(recovering) };
    },
    replay: ({ filterByTk, vouched }, ctx) => {
      const id = idOf(filterByTk);
      return id ? manager.replay(id, vouched === 'true') : ctx.throw(400, 'The id of a request is missing.');
    },
    // Without any seconds it ends.
    listen: ({ key, seconds }, ctx) =>
      typeof key === 'string' && key
        ? manager.listen(key, Math.min(Number(seconds) || 0, MOST_LISTENING_S))
        : ctx.throw(400, 'The key of a workflow is missing.'),
    // An example by its key, or a file.
    import: ({ filterByTk, values }, ctx) => {
      const file = filterByTk === undefined ? values : exampleOf(filterByTk);
      return importing(file, ctx);
    },
    // Without any seconds it is as sidehook's environment says.
    retain: ({ seconds }) => manager.retain(Number(seconds) || 0),
  };
  const answering = (answer: Answer, isChange: boolean) => async (ctx: Context, next: Next) => {
    if (isChange && ctx.method !== 'POST') ctx.throw(405, 'This has to be a POST request.');
    ctx.body = await answer(ctx.action?.params ?? {}, ctx);
    await next();
  };
  const all = [
    ...Object.entries(looking).map(([name, answer]) => [name, answering(answer, false)] as const),
    ...Object.entries(changing).map(([name, answer]) => [name, answering(answer, true)] as const),
  ];
  return Object.fromEntries(all);
}

/** For how long requests are kept. */
export interface Retention {
  /** As sidehook says; null where it does not. */
  seconds: number | null;
  /** What its environment says, such as where nobody has set anything on a screen. */
  unset: number | null;
  /** Whether this sidehook lets it be set. */
  isSettable: boolean;
  /** As a file of settings says, such as `7d`, that may be for both. */
  configured: string | null;
}

async function retention(manager: Manager, environment: Parts['environment']): Promise<Retention> {
  const told = await manager.health();
  const health = 'obstacle' in told ? undefined : healthOf(told.body);
  return {
    seconds: health?.requestsKeptSeconds ?? null,
    unset: health?.requestsKeptSecondsUnset ?? null,
    isSettable: health?.features.includes('retention') ?? false,
    configured: environment.SIDEHOOK_REQUESTS_KEEP || null,
  };
}

/** One request where an id is given, else a list; null where there is none, or no log at all. */
async function requests(tables: Tables, parameters: Parameters) {
  const log = new RequestLog(tables);
  if (parameters.filterByTk !== undefined) return (await log.get(parameters.filterByTk)) ?? null;
  const rows = await log.list(parameters);
  return rows.length || (await log.isThere()) ? rows : null;
}
