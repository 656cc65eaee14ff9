// One request of the log: all that is known of it.

import { Alert, Descriptions, Drawer, Typography } from 'antd';
import dayjs from 'dayjs';
import { useFlowEngine } from '@nocobase/flow-engine';
import { useEffect, useState } from 'react';
import { useT } from '../forms/locale';
import type { RequestDetail, Webhook } from '../server/requests';
import { Answer } from './answer';
import { bodyOf } from './body';
import { curlOf } from './curl';
import { urlOf } from './entries';
import { ExecutionLink, SampleLink } from './places';
import { Replay } from './replay';
import type { Webhooks } from './webhooks';

interface RequestDrawerProps {
  /** Of the request; none: the drawer is closed. */
  id: string | undefined;
  webhooks: Webhooks;
  /** Shows another request. */
  onShow: (id: string) => void;
  onClose: () => void;
}

export function RequestDrawer({ id, webhooks, onShow, onClose }: RequestDrawerProps) {
  const t = useT();
  const { detail, fault } = useRequest(id);
  return (
    <Drawer open={id !== undefined} width={720} title={t('Request')} onClose={onClose} destroyOnClose>
      {fault && <Alert showIcon type="error" message={fault} />}
      {detail && <Detail detail={detail} webhook={webhooks[detail.workflowKey ?? '']} onShow={onShow} />}
    </Drawer>
  );
}

function useRequest(id: string | undefined) {
  const t = useT();
  const { api } = useFlowEngine().context;
  const [detail, setDetail] = useState<RequestDetail>();
  const [fault, setFault] = useState<string>();
  useEffect(() => {
    let isWanted = true;
    setDetail(undefined);
    setFault(undefined);
    if (id === undefined) return;
    const show = ({ data }: Awaited<ReturnType<typeof api.request>>) => {
      if (!isWanted) return;
      if (data?.data) setDetail(data.data as RequestDetail);
      else setFault(t('This request is no longer kept.'));
    };
    const fail = (error: unknown) =>
      isWanted && setFault(error instanceof Error ? error.message : String(error));
    const params = { filterByTk: id };
    api.request({ url: 'sidehook:requests', params, skipNotify: true }).then(show, fail);
    return () => {
      isWanted = false;
    };
    // `t` is another function at every call.
  }, [api, id]);
  return { detail, fault };
}

interface DetailProps {
  detail: RequestDetail;
  webhook: Webhook | undefined;
  onShow: (id: string) => void;
}

function Detail({ detail, webhook, onShow }: DetailProps) {
  const t = useT();
  const { workflowKey, reason, executionId, duplicateOf, deliveryId, peer, bodySha256 } = detail;
  const facts = {
    [t('Received')]: dayjs(detail.receivedAt).format('YYYY-MM-DD HH:mm:ss.SSS'),
    [t('Answer')]: <Answer entry={detail} />,
    [t('Reason')]: reason,
    [t('Workflow')]: webhook?.title ?? workflowKey,
    [t('Execution')]: executionId && <ExecutionLink id={executionId} />,
    [t('Duplicate of execution')]: duplicateOf && <ExecutionLink id={duplicateOf} />,
    [t('Delivery id')]: deliveryId,
    [t('Sent by')]: peer,
    [t('Size of the body')]: t('{{number}} bytes', { number: detail.bodySize }),
    'SHA-256': bodySha256,
  };
  return (
    <>
      <Descriptions
        bordered
        size="small"
        column={1}
        style={{ marginBottom: 16 }}
        items={Object.entries(facts)
          .filter(([, fact]) => fact)
          .map(([label, children]) => ({ key: label, label, children }))}
      />
      <Replay detail={detail} onShow={onShow} />
      <Curl detail={detail} />
      {webhook && (
        <p>
          <SampleLink workflow={webhook.id} request={detail.id}>
            {t('Use as sample')}
          </SampleLink>
        </p>
      )}
      <Message detail={detail} />
    </>
  );
}

function Curl({ detail }: { detail: RequestDetail }) {
  const t = useT();
  const { app } = useFlowEngine().context;
  const line = curlOf(detail, new URL(app.getApiUrl(''), location.href).origin);
  return (
    <p className="sidehook-curl">
      {line ? (
        <Typography.Text copyable={{ text: line }}>{t('Copy as curl')}</Typography.Text>
      ) : (
        <Typography.Text type="secondary">
          {t('There is no line of curl for it, because not all of its body is kept.')}
        </Typography.Text>
      )}
    </p>
  );
}

/** The request as it came over the wire, as far as it is kept. */
function Message({ detail }: { detail: RequestDetail }) {
  const t = useT();
  const body = bodyOf(detail);
  const head = [
    `${detail.method} ${urlOf(detail)}`,
    ...detail.headers.map(([name, value]) => `${name}: ${value}`),
  ];
  return (
    <>
      <Typography.Title level={5}>{t('Headers')}</Typography.Title>
      <Text className="sidehook-head">{head.join('\n')}</Text>
      <Typography.Title level={5}>{t('Body')}</Typography.Title>
      {body.kind === 'none' && <Note>{t('There was none, or it did not arrive.')}</Note>}
      {body.kind === 'left' && <Note>{t('It is not kept.')}</Note>}
      {body.kind === 'cut' && (
        <Note>{t('Only the first {{number}} bytes are kept.', { number: body.kept })}</Note>
      )}
      {body.base64 !== undefined && <Note>{t('It is no text, and shown as base64.')}</Note>}
      {body.kept > 0 && <Text className="sidehook-body">{indented(body.text) ?? body.base64 ?? ''}</Text>}
    </>
  );
}

function Note({ children }: { children: string }) {
  return <Typography.Paragraph type="secondary">{children}</Typography.Paragraph>;
}

function Text({ className, children }: { className: string; children: string }) {
  return (
    <pre className={className} style={{ whiteSpace: 'pre-wrap', wordBreak: 'break-word', fontSize: 12 }}>
      {children}
    </pre>
  );
}

/** JSON with a line for each member; other texts, and numbers that JavaScript would round, as they are. */
function indented(text: string | undefined): string | undefined {
  if (!text || /\d{16}/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
