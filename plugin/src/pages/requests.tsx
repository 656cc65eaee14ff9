// The page "Request log" of the settings: which requests have come in, and what became of them.

import { Alert, Button, Card, Space, Switch, Table, Tooltip, Typography } from 'antd';
import dayjs from 'dayjs';
import { useState } from 'react';
import { mapValues } from 'lodash';
import { useLocation } from 'react-router-dom';
import { DOCUMENTATION } from '../forms/member';
import { type Translate, useT } from '../forms/locale';
import { Answer } from './answer';
import { type Entry, urlOf } from './entries';
import { Filters } from './filters';
import { type Selection, useRequests } from './follow';
import { ExecutionLink, type Places, PlacesContext } from './places';
import { RequestDrawer } from './request';
import { Retention } from './retention';
import { useWebhooks } from './webhooks';

/** The page for a client, which says where its own pages are. */
export function requestsPage(places: Places) {
  return function RequestsPage() {
    return (
      <PlacesContext.Provider value={places}>
        <Requests />
      </PlacesContext.Provider>
    );
  };
}

function Requests() {
  const t = useT();
  const [selection, setSelection] = useState<Selection>(useGiven());
  const [isLive, setLive] = useState(true);
  const [open, setOpen] = useState<string>();
  const { entries, hasMore, more, fault } = useRequests(selection, isLive);
  const webhooks = useWebhooks();
  const titles = mapValues(webhooks, ({ title }) => title);
  if (entries === null) return <NoLog />;
  return (
    <Card className="sidehook-requests">
      <Space wrap style={{ marginBottom: 16 }}>
        <Filters value={selection} onChange={setSelection} titles={titles} />
        <Switch checked={isLive} onChange={setLive} aria-label={t('Live')} />
        {t('Live')}
      </Space>
      {fault && <Alert showIcon type="error" message={fault} style={{ marginBottom: 16 }} />}
      <Table<Entry>
        size="small"
        rowKey="id"
        loading={entries === undefined && !fault}
        dataSource={entries ?? []}
        columns={columnsOf(t, titles)}
        pagination={false}
        scroll={{ x: 'max-content' }}
        onRow={({ id }) => ({ onClick: () => setOpen(id), style: { cursor: 'pointer' } })}
      />
      {hasMore && (
        <Button style={{ marginTop: 16 }} onClick={more}>
          {t('Show older requests')}
        </Button>
      )}
      <Retention />
      <RequestDrawer id={open} webhooks={webhooks} onShow={setOpen} onClose={() => setOpen(undefined)} />
    </Card>
  );
}

/** A link may say of which webhook, or with which text. */
function useGiven(): Selection {
  const given = new URLSearchParams(useLocation().search);
  return { workflow: given.get('workflow') || undefined, text: given.get('text') || undefined };
}

function columnsOf(t: Translate, titles: Record<string, string>) {
  return [
    {
      title: t('Received'),
      key: 'receivedAt',
      render: ({ receivedAt }: Entry) => dayjs(receivedAt).format('YYYY-MM-DD HH:mm:ss'),
    },
    {
      title: t('Workflow'),
      key: 'workflow',
      render: ({ workflowKey }: Entry) => (workflowKey ? (titles[workflowKey] ?? workflowKey) : '–'),
    },
    { title: t('Request'), key: 'request', render: (entry: Entry) => <Line entry={entry} /> },
    { title: t('Answer'), key: 'status', render: (entry: Entry) => <Answer entry={entry} /> },
    { title: t('Reason'), key: 'reason', render: (entry: Entry) => <Reason entry={entry} /> },
    {
      title: t('Execution'),
      key: 'execution',
      render: ({ executionId, duplicateOf }: Entry) => <ExecutionLink id={executionId ?? duplicateOf} />,
    },
  ];
}

function Line({ entry }: { entry: Entry }) {
  const url = urlOf(entry);
  return (
    <Tooltip title={url}>
      <Typography.Text code ellipsis style={{ maxWidth: 260 }}>
        {entry.method} {url}
      </Typography.Text>
    </Tooltip>
  );
}

/** Why it was refused, or why it has no execution of its own. */
function Reason({ entry: { duplicateOf, reason } }: { entry: Entry }) {
  const t = useT();
  const text = duplicateOf ? t('A duplicate of execution {{id}}', { id: duplicateOf }) : reason;
  return (
    <Tooltip title={text}>
      <Typography.Text ellipsis style={{ maxWidth: 220 }}>
        {text}
      </Typography.Text>
    </Tooltip>
  );
}

function NoLog() {
  const t = useT();
  return (
    <Card>
      <Alert
        showIcon
        type="info"
        message={t('There is no request log: no sidehook that keeps one has served this database.')}
        description={
          <Typography.Link href={`${DOCUMENTATION}requests.md`} target="_blank" rel="noreferrer">
            {t('Docs')}
          </Typography.Link>
        }
      />
    </Card>
  );
}
