// Which workflows with triggers of NocoBase's sidehook runs from NocoBase's queue, which not, and why.

import { Alert, Table, Tag } from 'antd';
import { useT } from '../forms/locale';
import type { Queued } from '../server/health';
import { Heading } from './heading';

export function QueuedPart({ queued }: { queued: Queued }) {
  const t = useT();
  const columns = [
    { title: t('Workflow'), key: 'title', render: ({ title, key }: Chosen) => title || key },
    {
      title: t('Run by'),
      key: 'by',
      render: ({ left }: Chosen) => (left ? <Tag>NocoBase</Tag> : <Tag color="success">sidehook</Tag>),
    },
    { title: t('Reason'), dataIndex: 'left' },
  ];
  return (
    <>
      <Heading>{t('What NocoBase has queued')}</Heading>
      {!queued.isTaken && (
        <Alert
          showIcon
          type="warning"
          message={t('sidehook takes nothing of it: NocoBase is not kept from running the same.')}
        />
      )}
      <Table<Chosen>
        className="sidehook-queued"
        size="small"
        rowKey="key"
        pagination={{ pageSize: SHOWN, hideOnSinglePage: true }}
        dataSource={queued.workflows}
        columns={columns}
        locale={{ emptyText: t('None') }}
      />
    </>
  );
}

type Chosen = Queued['workflows'][number];
const SHOWN = 20;
