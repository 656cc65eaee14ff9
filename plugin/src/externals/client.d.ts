// Of `@nocobase/client` and `@nocobase/client-v2`, which NocoBase provides at run time.

import type { Instruction, Trigger } from './workflow-client';

interface Types {
  get(type: string): object | undefined;
}

export interface WorkflowPlugin {
  triggers: Types;
  instructions: Types;
  registerTrigger(type: string, trigger: new () => Trigger): void;
  registerInstruction(type: string, instruction: new () => Instruction): void;
}

export class Plugin {
  app: { pm: { get(name: 'workflow'): WorkflowPlugin | undefined } };
  load(): Promise<void>;
}
