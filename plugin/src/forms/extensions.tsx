// `sidehook`: of its members, those that have a field; all others stay as they are, and are named.

import { Alert, Form, Input, Radio, Space } from 'antd';
import type { TriggerConfig } from '../server/config';
import { SHAPES } from '../server/members';
import { useT } from './locale';
import { Unknown } from './member';
import { type Extensions, withMember } from './members';
import { isOffered, useKnown } from './offered';
import type { Control } from './part';

/** `sidehook.context`: whether the context holds the request as a whole. */
export function ContextChoice({ value, onChange }: Control<Extensions | null>) {
  const t = useT();
  const form = Form.useFormInstance();
  const request = Form.useWatch<TriggerConfig['request']>(['config', 'request'], { form, preserve: true });
  const isKnown = useKnown();
  const isFull = value?.context === 'full';
  if (!isOffered(isKnown, 'context', value)) return null;
  return (
    <Form.Item label={t('Variables for later nodes')} style={{ marginBottom: 0 }}>
      <Space direction="vertical">
        {!isKnown('context') && <Unknown />}
        <Radio.Group
          value={isFull}
          onChange={(event) =>
            onChange?.(withMember(value, 'context', event.target.value ? 'full' : undefined))
          }
        >
          <Space direction="vertical">
            <Radio value={false}>{t('Only what is listed below')}</Radio>
            <Radio value={true}>{t('The whole request as well')}</Radio>
          </Space>
        </Radio.Group>
        {(isFull || !request) && (
          <Alert
            showIcon
            type="info"
            message={
              isFull
                ? t(
                    'Besides what is listed, nodes get all headers, the query, the body ("data") and the parameters of the path ("params"), but only as a whole: use a node "JSON variable mapping" to pick from them.',
                  )
                : t('As long as nothing is listed, nodes get the whole request.')
            }
          />
        )}
      </Space>
    </Form.Item>
  );
}

/** `sidehook.path` */
export function CustomPath({ value, onChange }: Control<Extensions | null>) {
  const t = useT();
  const isKnown = useKnown();
  if (!isOffered(isKnown, 'path', value)) return null;
  const others = Object.keys(value ?? {}).filter((name) => !Object.hasOwn(SHAPES, name));
  return (
    <Form.Item
      label={t('Path on sidehook')}
      extra={t(
        'An address of its own beside the URL above, such as orders/:id. NocoBase alone does not serve it.',
      )}
      style={{ marginBottom: 0 }}
    >
      {!isKnown('path') && <Unknown />}
      <Input
        value={typeof value?.path === 'string' ? value.path : undefined}
        aria-label={t('Path on sidehook')}
        onChange={(event) => onChange?.(withMember(value, 'path', event.target.value || undefined))}
      />
      {others.length > 0 && (
        <Alert
          showIcon
          type="warning"
          style={{ marginTop: 8 }}
          message={t('Set besides, without a field here: {{names}}', { names: others.join(', ') })}
        />
      )}
    </Form.Item>
  );
}
