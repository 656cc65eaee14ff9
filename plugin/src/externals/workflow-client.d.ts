// Of `@nocobase/plugin-workflow/client-v2`, which NocoBase provides at run time, to both of its clients.

import type { ComponentType, ReactElement } from 'react';

/** A form: loaded once it is shown. */
export type Loader = () => Promise<{ default: ComponentType }>;

export class Trigger {
  title: string;
  description?: string;
  FieldsetLoader?: Loader;
}

export class Instruction {
  type: string;
  title: string;
  description?: string;
  group: string;
  icon?: ReactElement;
  end?: boolean;
  FieldsetLoader?: Loader;
}
