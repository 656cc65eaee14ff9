// Puts trigger and node into NocoBase's workflow plugin, in either client.

import type { WorkflowPlugin } from '@nocobase/client-v2';
import { ResponseInstruction } from './response';
import { WebhookTrigger } from './trigger';

/** Where another plugin has registered the types, this one steps aside, as its server half does. */
export function register(workflow: WorkflowPlugin | undefined) {
  if (!workflow?.triggers.get('webhook')) workflow?.registerTrigger('webhook', WebhookTrigger);
  if (!workflow?.instructions.get('response')) workflow?.registerInstruction('response', ResponseInstruction);
}
