// The workflow node `response`: answers the caller of a synchronous webhook and ends the execution.

import { validateResponse } from './config';
import { readHeaders } from './reply';
import type { FlowNode, Id, Job, Processor, Workflow } from './nocobase';

const RESOLVED = 1;

export class ResponseInstruction {
  /** Callers that wait for an execution which could not end at once, by its id. */
  readonly waiting = new Map<string, (result: unknown) => void>();

  validateConfig = validateResponse;

  isAvailable = (workflow: Workflow) => workflow.type === 'webhook';

  async run(node: FlowNode, previous: { id?: Id } | undefined, processor: Processor) {
    const { statusCode, headers, body } = node.config ?? {};
    const render = (value: unknown) =>
      value === undefined ? undefined : processor.getParsedValue(value, node.id);
    const rendered = { statusCode: render(statusCode), headers: render(headers), body: render(body) };
    const result: Record<string, unknown> = {
      statusCode: rendered.statusCode === undefined ? 200 : rendered.statusCode,
      headers: rendered.headers === undefined ? [] : rendered.headers,
    };
    if (rendered.body !== undefined) result.body = rendered.body;
    // The caller is told 500 then, and the job says why.
    readHeaders(result.headers, result.statusCode);
    const job: Job = processor.saveJob({
      status: RESOLVED,
      result,
      nodeId: node.id,
      nodeKey: node.key,
      upstreamId: previous?.id ?? null,
    });
    processor.options.webhookReply?.(job.result);
    this.waiting.get(String(processor.execution.id))?.(job.result);
    return processor.exit(RESOLVED);
  }
}
