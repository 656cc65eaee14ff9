// `sidehook.filter`: conditions over the context, and what a request is answered that does not meet them.

import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { AutoComplete, Button, Form, Input, Radio, Select, Space } from 'antd';
import type { ResponseConfig, TriggerConfig } from '../server/config';
import { type Calculation, type Condition, OPERATORS, operandOf, textOfOperand } from './conditions';
import { Field, Nested } from './fields';
import { useT } from './locale';
import type { Control } from './part';
import { Reply } from './reply';
import { contextOptions, type VariableOption } from './variables';

export function Filter({ value, onChange }: Control<Condition>) {
  const t = useT();
  const group = value?.calculation.group;
  const calculations = group?.calculations ?? [];
  const { reply, ...rest } = value ?? {};
  const withReply = (changed?: ResponseConfig | null) =>
    ({ ...rest, ...(changed ? { reply: changed } : {}) }) as Condition;
  const change = (changed: Calculation[]) =>
    onChange?.(
      changed.length
        ? { ...value, calculation: { group: { type: group?.type ?? 'and', calculations: changed } } }
        : undefined,
    );
  return (
    <>
      {calculations.length > 1 && (
        <Radio.Group
          size="small"
          style={{ marginBottom: 8 }}
          value={group!.type}
          onChange={(event) =>
            onChange?.({ ...value, calculation: { group: { ...group!, type: event.target.value } } })
          }
          options={[
            { value: 'and', label: t('All of them') },
            { value: 'or', label: t('One of them') },
          ]}
        />
      )}
      <Space direction="vertical" size={4} style={{ width: '100%' }}>
        {calculations.map((calculation, index) => (
          <Row
            key={index}
            value={calculation}
            onChange={(changed) =>
              change(calculations.flatMap((old, at) => (at !== index ? [old] : changed ? [changed] : [])))
            }
          />
        ))}
        <Button
          type="dashed"
          size="small"
          icon={<PlusOutlined />}
          onClick={() => change([...calculations, { calculator: 'equal', operands: ['', ''] }])}
        >
          {t('Add condition')}
        </Button>
      </Space>
      {value && (
        <Nested>
          <Field label={t('Answer to all others')}>
            <Reply
              {...(reply ? { value: reply } : {})}
              onChange={(changed) => onChange?.(withReply(changed))}
            />
          </Field>
        </Nested>
      )}
    </>
  );
}

function Row({ value, onChange }: Control<Calculation>) {
  const t = useT();
  const form = Form.useFormInstance();
  const config = Form.useWatch<TriggerConfig | undefined>('config', { form, preserve: true });
  const { calculator, operands } = value!;
  const words: Record<string, string> = {
    includes: t('contains'),
    notIncludes: t('does not contain'),
    startsWith: t('starts with'),
    notStartsWith: t('not starts with'),
    endsWith: t('ends with'),
    notEndsWith: t('not ends with'),
  };
  const set = (index: number, text: string) =>
    onChange?.({ ...value!, operands: [0, 1].map((at) => (at === index ? operandOf(text) : operands[at])) });
  return (
    <Space.Compact block>
      <AutoComplete
        value={textOfOperand(operands[0])}
        options={variables(contextOptions(config, t))}
        filterOption={(typed, option) => String(option?.value).includes(typed)}
        placeholder="{{$context.…}}"
        aria-label={t('Variable')}
        style={{ flex: 3 }}
        onChange={(text) => set(0, text)}
      />
      <Select
        value={calculator}
        options={Object.entries(OPERATORS).map(([name, sign]) => ({
          value: name,
          label: sign ?? words[name],
        }))}
        aria-label={t('Operator')}
        popupMatchSelectWidth={false}
        style={{ flex: 2 }}
        onChange={(chosen) => onChange?.({ ...value!, calculator: chosen })}
      />
      <Input
        value={textOfOperand(operands[1])}
        aria-label={t('Value')}
        placeholder={t('Value')}
        style={{ flex: 3 }}
        onChange={(event) => set(1, event.target.value)}
      />
      <Button icon={<DeleteOutlined />} aria-label={t('Delete')} onClick={() => onChange?.(undefined)} />
    </Space.Compact>
  );
}

/** All variables below `$context`, as templates. */
function variables(options: VariableOption[], prefix = '$context'): { value: string; label: string }[] {
  return options
    .filter(({ disabled }) => !disabled)
    .flatMap(({ value, label, children }) =>
      children
        ? variables(children, `${prefix}.${value}`)
        : [
            {
              value: `{{${prefix}.${value}}}`,
              label: `${prefix}.${value}`.replace('$context.', '') + (label === value ? '' : ` (${label})`),
            },
          ],
    );
}
