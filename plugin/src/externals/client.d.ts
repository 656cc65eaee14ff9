// Of `@nocobase/client` and `@nocobase/client-v2`, which NocoBase provides at run time.

import type { ComponentType } from 'react';
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

interface SettingsPage {
  title: string;
  icon?: string;
  aclSnippet?: string;
  Component?: ComponentType;
}

/** The classic client has `add`, the newer one the others. */
interface SettingsManager {
  add(name: string, page: SettingsPage): void;
  addMenuItem(item: SettingsPage & { key: string }): void;
  addPageTabItem(item: SettingsPage & { menuKey: string; key: string }): void;
}

export class Plugin {
  app: {
    pm: { get(name: 'workflow'): WorkflowPlugin | undefined };
    pluginSettingsManager: SettingsManager;
  };
  load(): Promise<void>;
  /** A text of this plugin. */
  t(key: string): string;
}
