// For how long requests are kept, which can be set here.

import { Alert, Button, Select, Space, Typography } from 'antd';
import { useFlowEngine } from '@nocobase/flow-engine';
import { useCallback, useEffect, useState } from 'react';
import { useT } from '../forms/locale';
import type { Retention as Kept } from '../server/actions';
import type { Hindered } from '../server/manage';
import { textOfDuration } from './duration';
import { textOfObstacle } from './obstacle';

const DAYS = [1, 3, 7, 14, 30, 90, 365];

export function Retention() {
  const t = useT();
  const { api, i18n } = useFlowEngine().context;
  const [kept, setKept] = useState<Kept>();
  const [isEdited, setEdited] = useState(false);
  const look = useCallback(async () => {
    const { data } = await api.request({ url: 'sidehook:retention', skipNotify: true });
    setKept(data?.data as Kept);
  }, [api]);
  useEffect(() => {
    look().catch(() => {});
  }, [look]);
  if (!kept) return null;
  const time = kept.seconds === null ? kept.configured : textOfDuration(kept.seconds, i18n.language);
  const close = () => {
    setEdited(false);
    look().catch(() => {});
  };
  return (
    <Space direction="vertical" className="sidehook-retention" style={{ display: 'flex', marginTop: 16 }}>
      <Space wrap>
        <Typography.Text type="secondary">
          {time
            ? t('Requests are kept for {{time}}.', { time })
            : t(
                'Requests are kept for 7 days, unless SIDEHOOK_REQUESTS_KEEP says otherwise in the environment of sidehook.',
              )}
        </Typography.Text>
        {kept.isSettable && !isEdited && (
          <Typography.Link onClick={() => setEdited(true)}>{t('Edit')}</Typography.Link>
        )}
      </Space>
      {isEdited && <Edited kept={kept} onClose={close} />}
    </Space>
  );
}

function Edited({ kept: { seconds, unset }, onClose }: { kept: Kept; onClose: () => void }) {
  const t = useT();
  const { api, i18n } = useFlowEngine().context;
  const [chosen, setChosen] = useState(seconds ?? 0);
  const [hindered, setHindered] = useState<Hindered>();
  const [isBusy, setBusy] = useState(false);
  const times = [...new Set([...DAYS.map((days) => days * 86_400), seconds ?? 0])].filter(Boolean);
  const options = times
    .sort((one, other) => one - other)
    .map((value) => ({ value, label: textOfDuration(value, i18n.language) }));
  if (unset !== null) {
    const time = textOfDuration(unset, i18n.language);
    options.unshift({ value: 0, label: t('As the environment of sidehook says: {{time}}', { time }) });
  }
  const save = async () => {
    setBusy(true);
    const result = await api
      .request({ url: 'sidehook:retain', method: 'post', params: { seconds: chosen }, skipNotify: true })
      .then(
        ({ data }) => data?.data as object | Hindered,
        (error: Error): Hindered => ({ obstacle: 'refused', error: error.message }),
      );
    setBusy(false);
    if ('obstacle' in result) setHindered(result);
    else onClose();
  };
  return (
    <Space direction="vertical" style={{ display: 'flex' }}>
      <Space wrap>
        <Select<number> value={chosen} options={options} onChange={setChosen} popupMatchSelectWidth={false} />
        <Button type="primary" loading={isBusy} onClick={save}>
          {t('Save')}
        </Button>
        <Button onClick={onClose}>{t('Cancel')}</Button>
      </Space>
      <Typography.Text type="secondary">
        {t('Requests that are older are removed within two minutes.')}
      </Typography.Text>
      {hindered && <Alert showIcon type="error" message={textOfObstacle(hindered, t)} />}
    </Space>
  );
}
