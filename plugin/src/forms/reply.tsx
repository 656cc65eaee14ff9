// An answer: status, headers and body, of an asynchronous workflow and of a response node.

import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, ConfigProvider, Form, Input, Radio, Space } from 'antd';
import { WorkflowVariableInput, WorkflowVariableTextArea } from '@nocobase/plugin-workflow/client-v2';
import { useState } from 'react';
import type { ResponseConfig } from '../server/config';
import { parseTemplate } from './json';
import { useT } from './locale';
import type { Control } from './part';
import { useText } from './text';

/** `response` of a trigger. */
export function Reply({ value, onChange }: Control<ResponseConfig | null>) {
  const t = useT();
  const set = (member: keyof ResponseConfig) => (changed: unknown) => {
    const { [member]: _, ...rest } = value ?? {};
    const all = changed === undefined ? rest : { ...value, [member]: changed };
    onChange?.(Object.keys(all).length ? all : undefined);
  };
  return (
    <>
      <Form.Item label={t('Status code')}>
        <StatusCode value={value?.statusCode} onChange={set('statusCode')} />
      </Form.Item>
      <Form.Item label={t('Response headers')}>
        <ReplyHeaders value={value?.headers} onChange={set('headers')} />
      </Form.Item>
      <Form.Item label={t('Response body')} style={{ marginBottom: 0 }}>
        <ReplyBody value={value?.body} onChange={set('body')} placeholder="ok" />
      </Form.Item>
    </>
  );
}

/** A number, or a variable that stands for one. */
export function StatusCode({ value, onChange }: Control<unknown>) {
  const read = (text: string) => (/^\d+$/.test(text.trim()) ? Number(text) : text || undefined);
  return (
    <WorkflowVariableInput
      value={value == null ? '' : String(value)}
      placeholder="200"
      onChange={(text) => onChange?.(read(text ?? ''))}
    />
  );
}

type Header = { name?: unknown; value?: unknown };

export function ReplyHeaders({ value, onChange }: Control<unknown>) {
  const t = useT();
  const headers: Header[] = Array.isArray(value) ? value : [];
  const change = (changed: Header[]) => onChange?.(changed.length ? changed : undefined);
  const replace = (index: number, members: Header) =>
    change(headers.map((old, at) => (at === index ? { ...old, ...members } : old)));
  return (
    <Space direction="vertical" style={{ width: '100%' }}>
      {headers.map((header, index) => (
        <div key={index} style={{ display: 'flex', gap: 8 }}>
          <Input
            style={{ flex: 2 }}
            value={typeof header?.name === 'string' ? header.name : ''}
            placeholder={t('Header name')}
            aria-label={t('Header name')}
            onChange={(event) => replace(index, { name: event.target.value })}
          />
          <div style={{ flex: 3, minWidth: 0 }}>
            <WorkflowVariableInput
              value={header?.value == null ? '' : String(header.value)}
              placeholder={t('Value')}
              onChange={(text) => replace(index, { value: text })}
            />
          </div>
          <Button
            icon={<DeleteOutlined />}
            aria-label={t('Delete')}
            onClick={() => change(headers.filter((_, at) => at !== index))}
          />
        </div>
      ))}
      <Button
        type="dashed"
        size="small"
        icon={<PlusOutlined />}
        onClick={() => change([...headers, { name: '', value: '' }])}
      >
        {t('Add header')}
      </Button>
    </Space>
  );
}

/** JSON or text. What is stored says which of them it is: text is a string. */
export function ReplyBody({ value, onChange, placeholder }: Control<unknown> & { placeholder?: string }) {
  const t = useT();
  const { componentDisabled } = ConfigProvider.useConfig();
  const [isText, setIsText] = useState<boolean>();
  const [text, change] = useText(value, onChange);
  const asText = isText ?? (typeof value === 'string' || (value === undefined && placeholder !== undefined));
  const hand = (changed: string, textual = asText) =>
    change(changed, textual ? (plain) => plain || undefined : parseTemplate);
  return (
    <>
      <Radio.Group
        size="small"
        optionType="button"
        style={{ marginBottom: 8 }}
        value={asText}
        options={[
          { label: t('Text'), value: true },
          { label: 'JSON', value: false },
        ]}
        onChange={(event) => {
          setIsText(event.target.value);
          hand(text, event.target.value);
        }}
      />
      <WorkflowVariableTextArea
        value={text}
        rows={6}
        disabled={Boolean(componentDisabled)}
        placeholder={asText ? placeholder : '{ "id": {{$context.body.id}} }'}
        aria-label={t('Response body')}
        onChange={(changed) => hand(changed)}
      />
    </>
  );
}
