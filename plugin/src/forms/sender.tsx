// The choice of a sender, which fills in all that is known of it at once.

import { Form, Select } from 'antd';
import { useFlowEngine } from '@nocobase/flow-engine';
import { useCurrentWorkflowContext } from '@nocobase/plugin-workflow/client-v2';
import type { TriggerConfig } from '../server/config';
import { useT } from './locale';
import { useKnown } from './offered';
import { senderOf, SENDERS, withSender } from './senders';

export function Sender() {
  const t = useT();
  const { app } = useFlowEngine().context;
  const { key } = useCurrentWorkflowContext();
  const form = Form.useFormInstance();
  const sidehook = Form.useWatch<TriggerConfig['sidehook']>(['config', 'sidehook'], { form, preserve: true });
  const sender = senderOf(sidehook);
  const isKnown = useKnown();
  const offered = SENDERS.filter((one) => one === sender || Object.keys(one.sidehook).every(isKnown));
  return (
    <Form.Item
      label={t('Sender')}
      className="sidehook-sender"
      extra={t(
        'Fills in what is known of a sender: how it signs, how it tells one delivery from another, how it tries a new URL.',
      )}
    >
      <Select
        showSearch
        allowClear
        value={sender?.name}
        placeholder={t('None')}
        aria-label={t('Sender')}
        options={offered.map(({ name }) => ({ value: name, label: name }))}
        onChange={(name?: string) =>
          form.setFieldValue(
            ['config', 'sidehook'],
            withSender(sidehook, name, app.getApiUrl(`webhook:trigger/${key}`)),
          )
        }
      />
    </Form.Item>
  );
}
