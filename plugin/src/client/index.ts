// The plugin's half in NocoBase's classic client: names the two types. Their forms are not here yet.

import { Plugin } from '@nocobase/client';
import { Instruction, Trigger } from '@nocobase/plugin-workflow/client';
import { RESPONSE, TRIGGER } from '../types';

class WebhookTrigger extends Trigger {
  title = TRIGGER.title;
  description = TRIGGER.description;
  fieldset = {};
}

class ResponseInstruction extends Instruction {
  type = RESPONSE.type;
  title = RESPONSE.title;
  description = RESPONSE.description;
  group = RESPONSE.group;
  fieldset = {};
  end = true;
  isAvailable = ({ workflow }: { workflow: { type: string } }) => workflow.type === TRIGGER.type;
}

export default class PluginSidehookClient extends Plugin {
  async load() {
    const workflow = this.app.pm.get('workflow');
    if (!workflow?.triggers.get(TRIGGER.type)) workflow?.registerTrigger(TRIGGER.type, WebhookTrigger);
    if (!workflow?.instructions.get(RESPONSE.type))
      workflow?.registerInstruction(RESPONSE.type, ResponseInstruction);
  }
}
