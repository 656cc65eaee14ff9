// Of `@nocobase/client` and `@nocobase/client-v2`, which NocoBase provides at run time.

import type { ComponentType } from 'react';
import type { Api } from '@nocobase/flow-engine';
import type { Instruction, Trigger } from './workflow-client';

interface Types {
  get(type: string): object | undefined;
}

export interface WorkflowPlugin {
  triggers: Types;
  instructions: Types;
  registerTrigger(type: string, trigger: new () => Trigger): void;
  registerInstruction(type: string, instruction: new () => Instruction): void;
  /** Not in all versions. */
  registerWorkflowNoticeProvider?(key: string, provider: object): void;
}

interface SettingsPage {
  title: string;
  icon?: string;
  aclSnippet?: string;
  sort?: number;
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
    apiClient: Api;
  };
  load(): Promise<void>;
  /** A text of this plugin. */
  t(key: string): string;
}
