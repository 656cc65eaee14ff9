// The form of "Execute manually": the context of a run, in JSON.

import { Alert, Form, Input } from 'antd';
import { useCurrentWorkflowContext } from '@nocobase/plugin-workflow/client-v2';
import type { TriggerConfig } from '../server/config';
import { exampleContext } from './example';
import { findBroken, parseJson } from './json';
import { type Translate, useT } from './locale';
import type { Control } from './part';
import { useStatus } from './status';
import { useText } from './text';

export function ManualForm() {
  const t = useT();
  const { config } = useCurrentWorkflowContext();
  const sidehook = useStatus()?.url;
  const check = async (_: unknown, value: unknown) => {
    const broken = findBroken(value);
    if (broken) throw new Error(t('This is not JSON: see line {{line}}, column {{column}}.', { ...broken }));
  };
  return (
    <>
      {sidehook && (
        <Form.Item>
          <Alert
            showIcon
            type="info"
            message={t('This run is made by NocoBase. Calls of the URL are run by sidehook at {{url}}.', {
              url: sidehook,
            })}
          />
        </Form.Item>
      )}
      {Object.entries(exampleContext(config as TriggerConfig | undefined)).map(([name, example]) => (
        <Form.Item
          key={name}
          name={name}
          label={partLabel(name, t)}
          initialValue={example}
          rules={[{ validator: check }]}
          validateTrigger="onBlur"
        >
          <JsonInput label={partLabel(name, t)} />
        </Form.Item>
      ))}
    </>
  );
}

interface JsonInputProps extends Control<unknown> {
  label: string;
  onBlur?: () => void;
}

function JsonInput({ value, onChange, onBlur, label }: JsonInputProps) {
  const [text, change] = useText(value, onChange);
  return (
    <Input.TextArea
      value={text}
      rows={4}
      style={{ fontFamily: 'monospace' }}
      aria-label={label}
      onBlur={onBlur}
      onChange={(event) => change(event.target.value, parseJson)}
    />
  );
}

function partLabel(name: string, t: Translate): string {
  if (name === 'headers') return t('Headers');
  if (name === 'query') return t('Query parameters');
  if (name === 'body') return t('Body');
  return name === 'data' ? t('Whole body') : t('Path parameters');
}
