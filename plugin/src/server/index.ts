// The plugin's server half: what it registers in NocoBase. The parts are in the other files of this folder.

import { Plugin } from '@nocobase/server';
import { parse } from '@nocobase/utils';
import { forward } from './forward';
import { putUpGuard } from './guard';
import { Handovers } from './handover';
import { LocalWebhook } from './local';
import type { Context, Next, WorkflowPlugin } from './nocobase';
import { type Parameters, RequestLog, webhooks } from './requests';
import { ResponseInstruction } from './response';
import { webhookKey } from './route';
import { send } from './send';
import { backlog, probe, type Status } from './status';
import { Tables } from './tables';
import { WebhookTrigger } from './trigger';

export default class PluginSidehook extends Plugin {
  private readonly registered = { trigger: false, response: false };
  private guard = false;
  private local: LocalWebhook | undefined;
  private url: URL | undefined;

  async load() {
    this.url = this.readUrl(process.env.SIDEHOOK_URL);
    const tables = new Tables(this.db, process.env);
    // Other plugins register their types while they load.
    this.app.on('afterLoad', () => this.register(tables));
    // The body has to be left alone until it is clear who reads it.
    this.app.use((ctx, next) => this.webhook(ctx, next), {
      tag: 'sidehook',
      after: 'logger',
      before: 'bodyParser',
    });
    this.app.resourceManager.define({
      name: 'sidehook',
      actions: {
        status: async (ctx: Context, next: Next) => {
          ctx.body = await this.status(tables);
          await next();
        },
        recover: async (ctx: Context, next: Next) => {
          await this.workflow?.recover?.();
          ctx.body = { recovered: Boolean(this.workflow?.recover) };
          await next();
        },
        requests: async (ctx: Context, next: Next) => {
          ctx.body = await this.requests(tables, ctx.action?.params ?? {});
          await next();
        },
        webhooks: async (ctx: Context, next: Next) => {
          ctx.body = await webhooks(this.db);
          await next();
        },
      },
    });
    this.app.acl.registerSnippet({ name: 'pm.sidehook', actions: ['sidehook:status', 'sidehook:recover'] });
    // Requests hold what senders send, which is for fewer people.
    this.app.acl.registerSnippet({
      name: 'pm.sidehook.requests',
      actions: ['sidehook:requests', 'sidehook:webhooks'],
    });
  }

  private get workflow() {
    return this.app.pm.get('workflow') as WorkflowPlugin | undefined;
  }

  private register(tables: Tables) {
    const { workflow } = this;
    if (!workflow?.triggers) {
      this.log.warn('sidehook: the workflow plugin is not enabled, nothing is registered');
      return;
    }
    const instruction = new ResponseInstruction();
    if (!this.isTaken('trigger', workflow.triggers.get('webhook'))) {
      workflow.registerTrigger('webhook', new WebhookTrigger(workflow));
      this.registered.trigger = true;
      const { REQUEST_BODY_LIMIT: bodyLimit, SIDEHOOK_SYNC_TIMEOUT: syncTimeout } = process.env;
      this.local = new LocalWebhook({
        app: this.app,
        log: this.log,
        workflow,
        instruction,
        parse,
        bodyLimit,
        syncTimeout,
      });
    }
    if (!this.isTaken('node', workflow.instructions.get('response'))) {
      workflow.registerInstruction('response', instruction);
      this.registered.response = true;
    }
    this.guard = putUpGuard(workflow, (id) => tables.isLeased(id), this.log);
    // sidehook serves the database of the main application only.
    if (this.app.name === 'main' && workflow.rerun) {
      const handovers = new Handovers(this.db, workflow, tables, this.log);
      this.app.on('afterStart', () => handovers.start());
      this.app.on('beforeStop', () => handovers.stop());
    }
  }

  private isTaken(kind: string, registered: object | undefined): boolean {
    if (registered) {
      const type = kind === 'trigger' ? 'webhook' : 'response';
      this.log.info(
        `sidehook: another plugin has registered the ${kind} type "${type}"; this one steps aside`,
      );
    }
    return Boolean(registered);
  }

  /** Comes before NocoBase's body parser. */
  private async webhook(ctx: Context, next: Next) {
    const key = webhookKey(ctx.path, process.env.API_BASE_PATH, ctx.querystring);
    // sidehook serves the database of the main application only.
    const isForwarded = this.url && this.app.name === 'main';
    if (key === undefined || !(isForwarded || this.local)) return next();
    ctx.respond = false;
    if (isForwarded) return forward(ctx.req, ctx.res, this.url!);
    send(ctx.res, await this.local!.handle(key, ctx.req));
  }

  private async status(tables: Tables): Promise<Status> {
    const [probed, instances, waiting] = await Promise.all([
      probe(this.url),
      tables.instances(),
      backlog(this.db, tables),
    ]);
    return { ...probed, instances, backlog: waiting, registered: this.registered, guard: this.guard };
  }

  /** One request where an id is given, else a list; null where there is none, or no log at all. */
  private async requests(tables: Tables, parameters: Parameters) {
    const log = new RequestLog(tables);
    if (parameters.filterByTk !== undefined) return (await log.get(parameters.filterByTk)) ?? null;
    const rows = await log.list(parameters);
    return rows.length || (await log.isThere()) ? rows : null;
  }

  private readUrl(text: string | undefined): URL | undefined {
    if (!text) return;
    try {
      const url = new URL(text);
      if (url.protocol === 'http:' || url.protocol === 'https:') return url;
    } catch {
      // Reported below.
    }
    this.log.error('sidehook: SIDEHOOK_URL is not an http or https URL; webhooks are not handed on');
  }
}
