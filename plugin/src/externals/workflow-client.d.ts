// Of `@nocobase/plugin-workflow`'s clients, which NocoBase provides at run time.

export class Trigger {}

export class Instruction {}
