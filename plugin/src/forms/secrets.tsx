// Secrets: texts that are not shown, or variables that hold them. Several count while one is replaced by the next.

import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Input, Space } from 'antd';
import type { Labelled } from './fields';
import { useT } from './locale';
import type { Control } from './part';

/** How a variable of NocoBase is written. */
const VARIABLE = '{{$env.NAME}}';

/** One secret as a text, several as a list. */
interface SecretsProps extends Control<string | string[]>, Labelled {
  /** Whether they are public keys, which may be read by everyone and may have several lines. */
  isPublic?: boolean;
  /** Whether there is never more than one. */
  isSingle?: boolean;
}

export function Secrets({ value, onChange, isPublic, isSingle, ...named }: SecretsProps) {
  const t = useT();
  const secrets = Array.isArray(value) ? value : [value ?? ''];
  const change = (changed: string[]) => onChange?.(changed.length > 1 ? changed : changed[0] || undefined);
  const field = (secret: string, index: number) => ({
    value: secret,
    ...named,
    placeholder: t('A text, or a variable such as {{variable}}', { variable: VARIABLE }),
    onChange: (event: { target: { value: string } }) =>
      change(secrets.map((old, at) => (at === index ? event.target.value : old))),
  });
  return (
    <Space direction="vertical" size={4} style={{ width: '100%' }}>
      {secrets.map((secret, index) => (
        <Space.Compact block key={index}>
          {isPublic ? (
            <Input.TextArea {...field(secret, index)} autoSize={{ maxRows: 6 }} />
          ) : (
            <Input.Password {...field(secret, index)} autoComplete="new-password" />
          )}
          {secrets.length > 1 && (
            <Button
              icon={<DeleteOutlined />}
              aria-label={t('Delete')}
              onClick={() => change(secrets.filter((_, at) => at !== index))}
            />
          )}
        </Space.Compact>
      ))}
      {!isSingle && (
        <Button type="dashed" size="small" icon={<PlusOutlined />} onClick={() => change([...secrets, ''])}>
          {t('Add')}
        </Button>
      )}
    </Space>
  );
}
