// The small fields of which the members of `sidehook` are made: a line of text, a choice, a list of words.

import { Checkbox, Form, Input, Select } from 'antd';
import { cloneElement, type ReactElement, type ReactNode } from 'react';
import type { Control } from './part';

/** A control is called by the label that stands above it. */
export interface Labelled {
  'aria-label'?: string;
}

/** A field with its name above it, among others of one member. */
export function Field({ label, children }: { label: string; children: ReactElement }) {
  return (
    <Form.Item label={label} style={{ marginBottom: 8 }}>
      {cloneElement(children, { 'aria-label': label })}
    </Form.Item>
  );
}

/** The fields of one choice, set off from the others. */
export function Nested({ children }: { children: ReactNode }) {
  return (
    <div
      style={{
        marginTop: 8,
        paddingInlineStart: 12,
        borderInlineStart: '2px solid rgba(128, 128, 128, 0.2)',
      }}
    >
      {children}
    </div>
  );
}

/** A line of text; none for an empty one. A number is shown, and stays one as long as it is not changed. */
export function Line({ value, onChange, ...rest }: Control<unknown> & Labelled & { placeholder?: string }) {
  return (
    <Input
      {...rest}
      value={value == null ? '' : String(value)}
      onChange={(event) => onChange?.(event.target.value || undefined)}
    />
  );
}

/** A whole number, as far as it is one; what is typed besides stays, so that it can be told. */
export function Count(props: Parameters<typeof Line>[0]) {
  const read = (text: unknown) => (/^\d{1,15}$/.test(String(text ?? '')) ? Number(text) : text);
  return <Line {...props} onChange={(text) => props.onChange?.(read(text))} />;
}

interface ChoiceProps extends Labelled {
  value?: string | undefined;
  onChange: (value: string | undefined) => void;
  options: { value: string; label: string }[];
  placeholder?: string;
}

export function Choice({ onChange, ...rest }: ChoiceProps) {
  return (
    <Select
      {...rest}
      showSearch
      allowClear
      optionFilterProp="label"
      style={{ width: '100%' }}
      onChange={(chosen?: string) => onChange(chosen || undefined)}
    />
  );
}

/** Options that are shown as they are. */
export const plain = (words: readonly string[]) => words.map((word) => ({ value: word, label: word }));

interface WordsProps extends Control<string[]>, Labelled {
  /** What is offered; other words can be typed. */
  offered?: string[];
  placeholder?: string;
}

/** A list of words; none for an empty one. */
export function Words({ value, onChange, offered = [], ...rest }: WordsProps) {
  return (
    <Select
      {...rest}
      mode="tags"
      value={value ?? []}
      options={plain(offered)}
      tokenSeparators={[',', ' ', '\n']}
      style={{ width: '100%' }}
      onChange={(words: string[]) => onChange?.(words.length ? words : undefined)}
    />
  );
}

/** Some of a few words, in their order. */
export function Several({ value, onChange, options }: Control<string[]> & { options: string[] }) {
  return (
    <Checkbox.Group
      value={value ?? []}
      options={options}
      onChange={(chosen) => {
        const words = options.filter((option) => chosen.includes(option));
        onChange?.(words.length ? words : undefined);
      }}
    />
  );
}
