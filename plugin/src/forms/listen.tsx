// "Listen for a request": waits for the next call of the URL and fills the form from it.

import { Alert, Button, Space, Typography } from 'antd';
import { useFlowEngine } from '@nocobase/flow-engine';
import { useEffect, useRef, useState } from 'react';
import { bodyOf } from '../pages/body';
import { urlOf } from '../pages/entries';
import { textOfObstacle } from '../pages/obstacle';
import type { Hindered } from '../server/manage';
import type { RequestDetail } from '../server/requests';
import { LISTENING_S, nextRequest } from './listening';
import { useT } from './locale';

const MOST_SHOWN = 2000;

interface ListenProps {
  /** Of the workflow. */
  workflow: string;
  onFound: (request: RequestDetail) => void;
}

export function Listen({ workflow, onFound }: ListenProps) {
  const t = useT();
  const { api } = useFlowEngine().context;
  const listening = useRef<AbortController>();
  const [until, setUntil] = useState<number>();
  const [found, setFound] = useState<RequestDetail | Hindered | 'none'>();
  useEffect(() => () => listening.current?.abort(), []);
  const listen = async () => {
    const mine = new AbortController();
    listening.current = mine;
    setFound(undefined);
    setUntil(Date.now() + LISTENING_S * 1000);
    const result = await nextRequest(api, workflow, mine.signal).catch((error: Error): Hindered => ({
      obstacle: 'refused',
      error: error.message,
    }));
    if (mine.signal.aborted) return;
    setUntil(undefined);
    setFound(result ?? 'none');
    if (result && !('obstacle' in result)) onFound(result);
  };
  const cancel = () => {
    listening.current?.abort();
    setUntil(undefined);
  };
  return (
    <Space direction="vertical" className="sidehook-listen" style={{ display: 'flex', marginTop: 8 }}>
      {until ? (
        <Space wrap>
          <Button loading>{t('Waiting for a request')}</Button>
          <Left until={until} />
          <Button type="link" onClick={cancel}>
            {t('Cancel')}
          </Button>
        </Space>
      ) : (
        <Button onClick={listen}>{t('Listen for a request')}</Button>
      )}
      {found && <Found found={found} />}
    </Space>
  );
}

function Left({ until }: { until: number }) {
  const t = useT();
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.round((until - now) / 1000));
  return <Typography.Text type="secondary">{t('{{seconds}} s left', { seconds })}</Typography.Text>;
}

function Found({ found }: { found: RequestDetail | Hindered | 'none' }) {
  const t = useT();
  if (found === 'none') return <Alert showIcon type="warning" message={t('No request has come in.')} />;
  if ('obstacle' in found) return <Alert showIcon type="error" message={textOfObstacle(found, t)} />;
  return (
    <Alert
      showIcon
      type="success"
      message={t('This request has come in, and has filled the fields below.')}
      description={
        <pre style={{ margin: 0, whiteSpace: 'pre-wrap', wordBreak: 'break-word', fontSize: 12 }}>
          {[`${found.method} ${urlOf(found)}`, bodyOf(found).text?.slice(0, MOST_SHOWN)].join('\n')}
        </pre>
      }
    />
  );
}
