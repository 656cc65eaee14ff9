// Of `@nocobase/client` and `@nocobase/client-v2`, which NocoBase provides at run time.

interface Types {
  get(type: string): object | undefined;
}

interface WorkflowPlugin {
  triggers: Types;
  instructions: Types;
  registerTrigger(type: string, trigger: object): void;
  registerInstruction(type: string, instruction: object): void;
}

export class Plugin {
  app: { pm: { get(name: 'workflow'): WorkflowPlugin | undefined } };
  load(): Promise<void>;
}
