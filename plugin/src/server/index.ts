// The plugin's server half: what it registers in NocoBase. The parts are in the other files of this folder.

import { Plugin } from '@nocobase/server';
import { parse } from '@nocobase/utils';
import { actionsOf, SNIPPETS } from './actions';
import { isServed } from './application';
import { forward } from './forward';
import { guardClaims, putUpGuard } from './guard';
import { Handovers } from './handover';
import { importWorkflow } from './import';
import { LocalWebhook } from './local';
import { Manager } from './manage';
import type { Context, Next, Task, WorkflowPlugin } from './nocobase';
import { Queue } from './queue';
import { PROBE_HEADER } from './reach';
import { ResponseInstruction } from './response';
import { webhookKey } from './route';
import { send } from './send';
import { agedBy, backlog, healthBy, probe, type Status } from './status';
import { Tables } from './tables';
import { WebhookTrigger } from './trigger';

const UNKNOWN = 'how it begins with executions is not known';

export default class PluginSidehook extends Plugin {
  private readonly registered = { trigger: false, response: false };
  private guard = false;
  private queue: Queue | undefined;
  private local: LocalWebhook | undefined;
  private url: URL | undefined;

  async load() {
    this.url = this.readUrl(process.env.SIDEHOOK_URL);
    const tables = new Tables(this.db, process.env);
    // Other plugins register their types while they load.
    this.app.on('afterLoad', () => this.register(tables));
    // Before NocoBase looks for what is queued.
    this.app.on('afterLoad', () => this.queue?.look());
    // The body has to be left alone until it is clear who reads it.
    this.app.use((ctx, next) => this.webhook(ctx, next), {
      tag: 'sidehook',
      after: 'logger',
      before: 'bodyParser',
    });
    const url = this.isForwarding ? this.url : undefined;
    const manager = new Manager(url, process.env.SIDEHOOK_STATUS_TOKEN, this.app.name);
    const actions = actionsOf({
      tables,
      db: this.db,
      app: this.app.name,
      manager,
      isForwarding: this.isForwarding,
      environment: process.env,
      status: () => this.status(tables, manager),
      recover: () => this.workflow?.recover?.(),
      importing: (file, ctx) => importWorkflow(this.db, this.workflow, file, ctx),
    });
    this.app.resourceManager.define({ name: 'sidehook', actions });
    for (const snippet of SNIPPETS) this.app.acl.registerSnippet(snippet);
  }

  /** sidehook serves the main application, and those that it is told to. */
  private get isServed() {
    return isServed(this.app.name, process.env.SIDEHOOK_APPS);
  }

  private get isForwarding() {
    return this.url !== undefined && this.isServed;
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
    this.guard = putUpGuard(workflow, (task) => this.isSidehooks(task, tables), this.log);
    if (this.isServed && workflow.rerun) {
      const handovers = new Handovers(this.db, workflow, tables, this.log);
      this.app.on('afterStart', () => handovers.start());
      this.app.on('beforeStop', () => handovers.stop());
    }
    // sidehook takes from the queue of the main application only.
    if (this.app.name !== 'main') return;
    const isGuarded = this.guard && guardClaims(workflow);
    if (this.guard && !isGuarded) this.log.warn(`sidehook: this NocoBase keeps its queue: ${UNKNOWN}`);
    const queue = new Queue(this.db, workflow, tables, isGuarded, this.log);
    this.queue = queue;
    this.app.on('afterStart', () => queue.start());
    this.app.on('beforeStop', () => queue.stop());
  }

  private async isSidehooks(task: Task, tables: Tables): Promise<boolean> {
    return (await tables.isLeased(task.executionId)) || ((await this.queue?.takes(task)) ?? false);
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
    if (key === undefined || !(this.isForwarding || this.local)) return next();
    ctx.respond = false;
    if (ctx.req.headers[PROBE_HEADER] !== undefined) ctx.res.setHeader(PROBE_HEADER, 'nocobase');
    if (this.isForwarding) return forward(ctx.req, ctx.res, this.url!, this.app.name);
    send(ctx.res, await this.local!.handle(key, ctx.req));
  }

  private async status(tables: Tables, manager: Manager): Promise<Status> {
    const [probed, told, instances, waiting] = await Promise.all([
      probe(this.url),
      healthBy(manager),
      tables.instances(),
      backlog(this.db, tables),
    ]);
    const { registered, guard } = this;
    return {
      ...probed,
      ...told,
      instances: agedBy(told.health, instances),
      backlog: waiting,
      registered,
      guard,
    };
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
