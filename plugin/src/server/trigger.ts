// The trigger `webhook` as NocoBase's workflow plugin sees it. Requests come in elsewhere, by middleware; there
// is nothing to switch on or off per workflow.

import { validateTrigger } from './config';
import type { Workflow, WorkflowPlugin } from './nocobase';

export class WebhookTrigger {
  validateConfig = validateTrigger;

  constructor(private readonly workflow: WorkflowPlugin) {}

  on() {}

  off() {}

  validateEvent() {
    return true;
  }

  /** By hand: the values given are the context. */
  execute(workflow: Workflow, values: object, options: object) {
    return this.workflow.trigger(workflow, values, options);
  }
}
