// What a request was answered with, and after which time.

import { Space, Tag, Typography } from 'antd';
import { useT } from '../forms/locale';
import { colourOf, type Entry } from './entries';

export function Answer({ entry }: { entry: Entry }) {
  const t = useT();
  const { status, durationMs } = entry;
  return (
    <Space size={4}>
      <Tag color={colourOf(entry)}>{status ?? t('No answer yet')}</Tag>
      {durationMs !== null && <Typography.Text type="secondary">{durationMs} ms</Typography.Text>}
    </Space>
  );
}
