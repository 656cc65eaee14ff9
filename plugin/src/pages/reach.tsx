// A test whether calls from outside reach sidehook.

import { Alert, Button, Space, Typography } from 'antd';
import { useFlowEngine } from '@nocobase/flow-engine';
import { useState } from 'react';
import { type Translate, useT } from '../forms/locale';
import type { Reached } from '../server/reach';

export function Reach() {
  const t = useT();
  const { api } = useFlowEngine().context;
  const [reached, setReached] = useState<Reached>();
  const [fault, setFault] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const test = async () => {
    setBusy(true);
    setReached(undefined);
    setFault(undefined);
    try {
      const params = { protocol: location.protocol };
      const { data } = await api.request({ url: 'sidehook:reach', params, skipNotify: true });
      setReached(data?.data as Reached);
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  const type = reached && (['sidehook', 'handed'].includes(reached.by) ? 'success' : 'warning');
  return (
    <Space direction="vertical" className="sidehook-reach">
      <Typography.Text type="secondary">
        {t(
          'NocoBase’s server calls the URL of a webhook that does not exist, as other systems would, and tells who answers.',
        )}
      </Typography.Text>
      <Button loading={isBusy} onClick={test}>
        {t('Test the URL')}
      </Button>
      {fault && <Alert showIcon type="error" message={fault} />}
      {reached && <Alert showIcon type={type!} message={textOf(reached, t)} />}
    </Space>
  );
}

function textOf({ by, url, status, error }: Reached, t: Translate): string {
  const texts: Record<Reached['by'], string> = {
    sidehook: t('sidehook answers at {{url}}.', { url }),
    handed: t('NocoBase answers at {{url}} and hands calls on to sidehook.', { url }),
    nocobase: t('NocoBase answers at {{url}}, without sidehook.', { url }),
    lost: t('NocoBase answers at {{url}}, but does not reach sidehook.', { url }),
    other: t('Somebody else answers at {{url}}, with {{status}}: look at the rules of the proxy.', {
      url,
      status,
    }),
    nobody: t('Nobody answers at {{url}}: {{error}}', { url, error }),
  };
  return texts[by];
}
