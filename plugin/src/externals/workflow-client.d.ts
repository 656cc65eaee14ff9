// Of `@nocobase/plugin-workflow/client-v2`, which NocoBase provides at run time, to both of its clients.

import type { ComponentType, ReactElement } from 'react';

interface Loaded {
  default: ComponentType;
}

/** Gives a form when it is shown; React takes whatever has a `then`. */
export type Loader = () => { then(resolve: (loaded: Loaded) => void): void };

export class Trigger {
  title: string;
  description?: string;
  FieldsetLoader?: Loader;
  TriggerFieldsetLoader?: Loader;
}

export class Instruction {
  type: string;
  title: string;
  description?: string;
  group: string;
  icon?: ReactElement;
  end?: boolean;
  FieldsetLoader?: Loader;
  createDefaultConfig?(): object;
}

export interface CurrentWorkflow {
  key?: string;
  sync?: boolean;
  config?: unknown;
  /** Of this version. */
  versionStats?: { executed?: number | string };
}

export function useCurrentWorkflowContext(): CurrentWorkflow;

interface VariableInputProps {
  value?: string;
  onChange?: (value: string) => void;
  disabled?: boolean;
  placeholder?: string;
}

/** A line of text and variables. */
export function WorkflowVariableInput(props: VariableInputProps): ReactElement;

/** Lines of text and variables. */
export function WorkflowVariableTextArea(
  props: VariableInputProps & { rows?: number; 'aria-label'?: string },
): ReactElement;
