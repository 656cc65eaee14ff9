// NocoBase stores what a form has fields for, and nothing else: without this, what a form does not know is erased.

import { Form } from 'antd';

/** Holds the whole configuration beside the fields of a form. */
export function KeptConfig() {
  return (
    <Form.Item name="config" hidden>
      <Nothing />
    </Form.Item>
  );
}

const Nothing = () => null;
