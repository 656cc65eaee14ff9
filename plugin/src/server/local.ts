// The webhook inside NocoBase, for where no sidehook is configured: admits the request, builds the context, runs
// or queues the workflow and says what to answer.

import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { bodyLimit, readBody } from './body';
import { isObject, type TriggerConfig } from './config';
import { isServed } from './extensions';
import { Intake } from './intake';
import type { Application, Execution, Id, Logger, Processor, Workflow, WorkflowPlugin } from './nocobase';
import { Refusal } from './refusal';
import { type Reply, replyOf, replyOfRefusal, replyOfStatus } from './reply';
import type { ResponseInstruction } from './response';

const RESOLVED = 1;
const POLL_MS = 100;

export interface LocalOptions {
  app: Pick<Application, 'db' | 'environment'>;
  workflow: WorkflowPlugin;
  log: Pick<Logger, 'warn'>;
  instruction: ResponseInstruction;
  /** Compiles the placeholders of a value: NocoBase's own. */
  parse: (value: unknown) => (scope: object) => unknown;
  /** `REQUEST_BODY_LIMIT` */
  bodyLimit?: string | undefined;
  /** `SIDEHOOK_SYNC_TIMEOUT`, written like `5m`. */
  syncTimeout?: string | undefined;
}

export class LocalWebhook {
  /** The versions whose settings only sidehook can keep, as far as the log has said so. */
  private readonly told = new Set<Id>();

  constructor(private readonly options: LocalOptions) {}

  /** Handles a request for the workflow of this key; never rejects. */
  async handle(key: string, request: IncomingMessage): Promise<Reply> {
    try {
      return await this.run(key, request);
    } catch (error) {
      return replyOfRefusal(
        error instanceof Refusal ? error : new Refusal(500, 'The webhook cannot be handled.'),
      );
    }
  }

  private async run(key: string, request: IncomingMessage): Promise<Reply> {
    const workflow = this.find(key);
    const config: TriggerConfig = isObject(workflow.config) ? workflow.config : {};
    const query = (request.url ?? '').split('?').slice(1).join('?');
    const incoming = { method: request.method ?? '', rawHeaders: request.rawHeaders, query };
    if (!isServed(config.sidehook)) this.tell(workflow);
    const intake = new Intake(config, incoming, bodyLimit(this.options.bodyLimit));
    intake.admit();
    const context = await intake.read(await readBody(request, (length) => intake.checkLength(length)));
    return workflow.sync ? this.answer(workflow, context) : this.enqueue(workflow, config, context);
  }

  private find(key: string): Workflow {
    for (const workflow of this.options.workflow.enabledCache.values()) {
      if (workflow.type === 'webhook' && workflow.key === key && workflow.enabled) return workflow;
    }
    throw new Refusal(404, 'No enabled webhook workflow has this key.');
  }

  private tell({ id, key }: Workflow) {
    if (this.told.has(id)) return;
    this.told.add(id);
    this.options.log.warn(
      `sidehook: the webhook of workflow ${key} lets nobody in: NocoBase alone cannot keep to its settings of ` +
        'sidehook. Set SIDEHOOK_URL, so that a sidehook answers it',
    );
  }

  private async enqueue(workflow: Workflow, config: TriggerConfig, context: object): Promise<Reply> {
    const { parse, app, workflow: plugin } = this.options;
    const $system = Object.fromEntries(
      [...plugin.functions.getEntities()].map(([name, fn]) => [name, fn.bind({})]),
    );
    const scope = { $context: context, $env: app.environment.getVariables(), $system };
    const render = (value: unknown) => (value === undefined ? undefined : parse(value)(scope));
    const {
      statusCode,
      headers,
      body = 'ok',
    }: Record<string, unknown> = isObject(config.response) ? config.response : {};
    const reply = replyOf({ statusCode: render(statusCode), headers: render(headers), body: render(body) });
    await plugin.trigger(workflow, context);
    return reply;
  }

  /** Runs the workflow and answers what its response node says, or how it ended. */
  private async answer(workflow: Workflow, context: object): Promise<Reply> {
    let result: unknown;
    const webhookReply = (given: unknown) => (result = given);
    const processor: Processor | null | undefined = await this.options.workflow.trigger(workflow, context, {
      webhookReply,
    });
    if (!processor) throw new Refusal(500, 'The event could not be recorded.');
    const { execution } = processor;
    if (result !== undefined) return replyOf(result);
    if (execution.status) return replyOfStatus(execution.status === RESOLVED);
    return this.wait(workflow, execution);
  }

  /** For an execution that has to wait, such as for a delay: until it ends or the caller has waited too long. */
  private async wait(workflow: Workflow, { id }: Execution): Promise<Reply> {
    const { waiting } = this.options.instruction;
    const deadline = Date.now() + duration(this.options.syncTimeout);
    const executions = this.options.app.db.getRepository('executions');
    let result: unknown;
    let idle = 0;
    waiting.set(String(id), (given) => (result = given));
    try {
      while (Date.now() < deadline) {
        const execution: Execution | null = await executions.findOne({
          filterByTk: id,
          fields: ['id', 'status'],
        });
        // One that is deleted when it ends leaves no status behind.
        const isGood = (status?: number | null) => status === RESOLVED;
        const status = execution
          ? execution.status
          : (workflow.options?.deleteExecutionOnStatus?.find(isGood) ?? -1);
        if (status) {
          result ??= execution ? await this.recordedResult(id) : undefined;
          return result === undefined ? replyOfStatus(isGood(status)) : replyOf(result);
        }
        // NocoBase leaves an execution open that it cannot go on with. Nothing is pending in one, neither now nor
        // a moment later; once a pending job was seen, whatever comes after it may take its time.
        if (idle !== Infinity) idle = (await this.hasPendingJob(id)) ? Infinity : idle + 1;
        if (idle === 2) return replyOfStatus(false);
        await sleep(POLL_MS);
      }
    } finally {
      waiting.delete(String(id));
    }
    return { status: 408, headers: [] };
  }

  private async hasPendingJob(executionId: Execution['id']): Promise<boolean> {
    const jobs = this.options.app.db.getRepository('jobs');
    return Boolean(await jobs.findOne({ filter: { executionId, status: 0 }, fields: ['id'] }));
  }

  /** The response node may have run in another process. */
  private async recordedResult(executionId: Execution['id']): Promise<unknown> {
    const job = await this.options.app.db.getRepository('jobs').findOne({
      filter: { executionId, status: RESOLVED, 'node.type': 'response' },
      sort: '-id',
    });
    return job?.result;
  }
}

/** `5m`, `20s`, `500ms` as milliseconds; five minutes when there is none. */
export function duration(text = ''): number {
  const match = /^([\d.]+) *(ms|s|m|h)?$/.exec(text.trim());
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? 's']!;
  return match ? Number(match[1]) * unit : 300_000;
}
