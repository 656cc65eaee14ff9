// NocoBase stores what a form has fields for, and nothing else: this is about what would be erased otherwise.

import { Form } from 'antd';
import type { ComponentType } from 'react';
import type { Loader } from '@nocobase/plugin-workflow/client-v2';

/** Holds the whole configuration beside the fields of a form. */
export function KeptConfig() {
  return (
    <Form.Item name="config" hidden>
      <Nothing />
    </Form.Item>
  );
}

const Nothing = () => null;

/**
 * A loader of a form that is there already. A promise would leave a moment in which the drawer can be submitted
 * without any fields; React takes what is loaded at once as it is.
 */
export function loaded(form: ComponentType): Loader {
  return () => ({ then: (resolve) => resolve({ default: form }) });
}
