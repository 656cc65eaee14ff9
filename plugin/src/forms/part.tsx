// A part of a configuration that one control holds as a whole, so that it is stored in the shape that the server
// takes, and its check, which is the server's.

import { Form } from 'antd';
import { cloneElement, type ReactElement } from 'react';
import { findBroken } from './json';
import { useT } from './locale';

/** What `Form.Item` gives to a control. */
export interface Control<T> {
  value?: T;
  onChange?: (value: T | undefined) => void;
}

export type Check = (config: unknown) => Record<string, string> | null;

interface PartProps {
  /** Below `config`. */
  name: string;
  /** The one member that the control is about, where several share a part. */
  member?: string;
  check: Check;
  children: ReactElement;
}

export function Part({ name, member, check, children }: PartProps) {
  const t = useT();
  const form = Form.useFormInstance();
  const validator = async (_: unknown, value: unknown) => {
    const broken = findBroken(value);
    if (broken) throw new Error(t('This is not JSON: see line {{line}}, column {{column}}.', { ...broken }));
    const faults = Object.entries(check(form.getFieldValue('config') ?? {}) ?? {});
    const own = member ? `${name}.${member}` : name;
    const fault = faults.find(([path]) => path === name || path === own || path.startsWith(`${own}.`));
    if (!fault) return;
    // Of a member that has members of its own it is told which one.
    const below = member ? fault[0].slice(own.length + 1) : '';
    throw new Error((below ? `${below}: ` : '') + t(fault[1]));
  };
  return (
    <Form.Item name={['config', name]} rules={[{ validator }]} validateTrigger="onBlur">
      <Whole>{children}</Whole>
    </Form.Item>
  );
}

interface WholeProps extends Control<unknown> {
  onBlur?: () => void;
  children: ReactElement;
}

/** Checks once the focus has left all of its fields, not at every key. */
function Whole({ value, onChange, onBlur, children }: WholeProps) {
  return (
    <div onBlur={({ currentTarget, relatedTarget }) => currentTarget.contains(relatedTarget) || onBlur?.()}>
      {cloneElement(children, { value, onChange })}
    </div>
  );
}
