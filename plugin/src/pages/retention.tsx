// For how long requests are kept, and where that is set.

import { Typography } from 'antd';
import { useFlowEngine } from '@nocobase/flow-engine';
import { useEffect, useState } from 'react';
import { useT } from '../forms/locale';

export function Retention() {
  const t = useT();
  const { api } = useFlowEngine().context;
  const [keep, setKeep] = useState<string | null>();
  useEffect(() => {
    api.request({ url: 'sidehook:retention', skipNotify: true }).then(
      ({ data }) => setKeep((data?.data as { keep: string | null }).keep),
      () => {},
    );
  }, [api]);
  if (keep === undefined) return null;
  return (
    <Typography.Paragraph type="secondary" className="sidehook-retention" style={{ margin: '16px 0 0' }}>
      {keep
        ? t(
            'Requests are kept for {{time}}. SIDEHOOK_REQUESTS_KEEP in the environment of sidehook sets that.',
            { time: keep },
          )
        : t(
            'Requests are kept for 7 days, unless SIDEHOOK_REQUESTS_KEEP says otherwise in the environment of sidehook.',
          )}
    </Typography.Paragraph>
  );
}
