// What sidehook tells of itself: what there is to mend, its last hour, and its latest errors.

import { Alert, Table, Typography } from 'antd';
import dayjs from 'dayjs';
import { useT } from '../forms/locale';
import type { Health } from '../server/health';
import type { Status } from '../server/status';
import { Heading } from './heading';
import { Hour } from './hour';
import { textOfObstacle } from './obstacle';
import { QueuedPart } from './queued';

export function Told({ status: { health, obstacle } }: { status: Status }) {
  const t = useT();
  // Without an address, and where nobody answers, that is told above.
  if (!health && (obstacle === 'url' || obstacle === 'silent')) return null;
  if (!health)
    return (
      <Alert
        showIcon
        type="info"
        message={t('What sidehook tells of itself is missing here.')}
        description={obstacle && textOfObstacle({ obstacle }, t)}
      />
    );
  return (
    <>
      <Findings health={health} />
      {health.queued && <QueuedPart queued={health.queued} />}
      <Heading>{t('Requests of the last hour')}</Heading>
      {health.instances.length > 1 && health.instance !== null && (
        <Typography.Text type="secondary">
          {t('Of the instance {{number}} alone, which has answered.', { number: health.instance })}
        </Typography.Text>
      )}
      <Hour health={health} />
      <Errors health={health} />
    </>
  );
}

function Findings({ health: { findings } }: { health: Health }) {
  const t = useT();
  if (!findings.length)
    return <Alert showIcon type="success" message={t('sidehook finds nothing to mend.')} />;
  return (
    <>
      <Heading>{t('What sidehook finds')}</Heading>
      {findings.map(({ subject, fault, mend }) => (
        <Alert
          key={`${subject} ${fault}`}
          className="sidehook-finding"
          showIcon
          type="warning"
          message={`${subject}: ${fault}`}
          description={mend}
        />
      ))}
    </>
  );
}

function Errors({ health: { errors } }: { health: Health }) {
  const t = useT();
  const columns = [
    { title: t('Time'), key: 'at', render: ({ at }: Entry) => dayjs(at).format('YYYY-MM-DD HH:mm:ss') },
    { title: t('Error'), dataIndex: 'message' },
  ];
  return (
    <>
      <Heading>{t('Latest errors')}</Heading>
      <Table<Entry>
        className="sidehook-errors"
        size="small"
        rowKey={({ at, message }) => `${at} ${message}`}
        pagination={false}
        dataSource={errors.slice(0, SHOWN)}
        columns={columns}
        locale={{ emptyText: t('None') }}
      />
    </>
  );
}

type Entry = Health['errors'][number];
const SHOWN = 20;
