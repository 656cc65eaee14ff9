// The page "Status" of the settings: is there a sidehook, and what waits for it.

import { Alert, Card, Descriptions, Table, Tag, Typography } from 'antd';
import dayjs from 'dayjs';
import { DOCUMENTATION } from '../forms/member';
import { type Translate, useT } from '../forms/locale';
import type { Status } from '../server/status';
import { isAlive, isInstanceAlive } from './alive';
import { Heading } from './heading';
import { Told } from './told';
import { usePolled } from './polled';
import { Reach } from './reach';

const EVERY_MS = 5000;

export function StatusPage() {
  const { data: status, fault } = usePolled<Status>('sidehook:status', EVERY_MS);
  return (
    <Card className="sidehook-status" loading={!status && !fault}>
      <div style={{ display: 'flex', flexDirection: 'column', gap: 16 }}>
        {fault && <Alert showIcon type="error" message={fault} />}
        {status && <Shown status={status} />}
      </div>
    </Card>
  );
}

function Shown({ status }: { status: Status }) {
  const t = useT();
  const { instances, registered } = status;
  return (
    <>
      <Reached status={status} />
      {!isAlive(status) && (
        <Alert
          showIcon
          type="warning"
          message={t('No sidehook is alive.')}
          description={
            <>
              {t(
                'Webhooks that only sidehook can serve are refused, and executions that belong to it wait. Start sidehook.',
              )}{' '}
              <Typography.Link href={`${DOCUMENTATION}deploy.md`} target="_blank" rel="noreferrer">
                {t('Docs')}
              </Typography.Link>
            </>
          }
        />
      )}
      {!(registered.trigger && registered.response) && (
        <Alert
          showIcon
          type="warning"
          message={t('Another plugin provides the webhook trigger or the response node.')}
        />
      )}
      <Descriptions bordered size="small" column={1} labelStyle={{ width: 280 }} items={facts(status, t)} />
      <Heading>{t('Instances')}</Heading>
      <Table
        size="small"
        rowKey="id"
        pagination={false}
        dataSource={instances}
        columns={columns(t)}
        locale={{ emptyText: t('None') }}
      />
      <Told status={status} />
      <Heading>{t('Is the URL reachable?')}</Heading>
      <Reach />
    </>
  );
}

/** Whether NocoBase reaches the sidehook to which it hands webhooks on. */
function Reached({ status: { url, reachable, error } }: { status: Status }) {
  const t = useT();
  if (!url) {
    const message = t(
      'SIDEHOOK_URL is not set: NocoBase runs webhooks by itself, unless a proxy hands them on to sidehook.',
    );
    return <Alert showIcon type="info" message={message} />;
  }
  if (reachable)
    return <Alert showIcon type="success" message={t('sidehook answers at {{url}}.', { url })} />;
  const message = t('sidehook does not answer at {{url}}: {{error}}', { url, error });
  return <Alert showIcon type="error" message={message} />;
}

function facts({ version, backlog }: Status, t: Translate) {
  const since = backlog.waitingSince;
  const all = {
    [t('Version')]: version,
    [t('Executions under way')]: String(backlog.running),
    [t('Waiting executions')]: String(backlog.waiting),
    [t('Waiting since')]: since && dayjs(since).format('YYYY-MM-DD HH:mm:ss'),
    [t('Executions that wait for a time')]: String(backlog.sleeping),
  };
  return Object.entries(all)
    .filter(([, fact]) => fact)
    .map(([label, children]) => ({ key: label, label, children }));
}

type Instance = Status['instances'][number];

function columns(t: Translate) {
  return [
    { title: t('Number'), dataIndex: 'id' },
    {
      title: t('Status'),
      key: 'status',
      render: (instance: Instance) =>
        isInstanceAlive(instance) ? (
          <Tag color="success">{t('Alive')}</Tag>
        ) : (
          <Tag color="error">{t('Silent')}</Tag>
        ),
    },
    {
      title: t('Last sign of life'),
      key: 'silentFor',
      render: ({ silentFor }: Instance) => t('{{seconds}} s ago', { seconds: silentFor }),
    },
  ];
}
