// The trigger `webhook` as NocoBase's screens see it.

import { Trigger } from '@nocobase/plugin-workflow/client-v2';
import { KeptConfig } from './kept';
import { tExpr } from './locale';

export class WebhookTrigger extends Trigger {
  title = tExpr('Webhook event');
  description = tExpr('Starts the workflow when another system calls its URL.');
  FieldsetLoader = async () => ({ default: KeptConfig });
}
