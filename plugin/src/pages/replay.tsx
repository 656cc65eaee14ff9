// Sends a request of the log once more, after a question, and says what came of it.

import { Alert, Button, Popconfirm, Space, Typography } from 'antd';
import { useFlowEngine } from '@nocobase/flow-engine';
import { useState } from 'react';
import { useT } from '../forms/locale';
import type { Hindered, Replayed } from '../server/manage';
import type { RequestDetail } from '../server/requests';
import { bodyOf } from './body';
import { colourOf } from './entries';
import { textOfObstacle } from './obstacle';
import { ExecutionLink } from './places';

interface ReplayProps {
  detail: RequestDetail;
  /** Shows another request. */
  onShow: (id: string) => void;
}

export function Replay({ detail, onShow }: ReplayProps) {
  const t = useT();
  const { api } = useFlowEngine().context;
  const [result, setResult] = useState<Replayed | Hindered>();
  const [isBusy, setBusy] = useState(false);
  const isWhole = ['none', 'whole'].includes(bodyOf(detail).kind);
  const replay = async () => {
    setBusy(true);
    setResult(undefined);
    // Who sees it has been asked whether it may be let in.
    const params = { filterByTk: detail.id, vouched: !detail.isAdmitted };
    try {
      const { data } = await api.request({
        url: 'sidehook:replay',
        method: 'post',
        params,
        skipNotify: true,
      });
      setResult(data?.data as Replayed | Hindered);
    } catch (error) {
      setResult({ obstacle: 'refused', error: error instanceof Error ? error.message : String(error) });
    }
    setBusy(false);
  };
  return (
    <Space direction="vertical" className="sidehook-replay" style={{ display: 'flex', marginBottom: 16 }}>
      <Popconfirm
        placement="topLeft"
        title={t('Send this request once more?')}
        description={
          <div style={{ maxWidth: 320 }}>
            {detail.isAdmitted
              ? t('Its workflow does all that it does again.')
              : t(
                  'It was refused when it came, and nobody checks now who has sent it: send it only if you know that.',
                )}
          </div>
        }
        onConfirm={replay}
      >
        <Button loading={isBusy} disabled={!isWhole}>
          {t('Send again')}
        </Button>
      </Popconfirm>
      {result && <Outcome result={result} onShow={onShow} />}
    </Space>
  );
}

function Outcome({ result, onShow }: { result: Replayed | Hindered; onShow: (id: string) => void }) {
  const t = useT();
  if ('obstacle' in result) return <Alert showIcon type="error" message={textOfObstacle(result, t)} />;
  const { status, executionId, requestId } = result;
  return (
    <Alert
      showIcon
      type={colourOf({ status }) === 'success' ? 'success' : 'warning'}
      message={t('Answered with {{status}}.', { status })}
      description={
        <Space wrap size={16}>
          {executionId && (
            <span>
              {t('Execution')} <ExecutionLink id={executionId} />
            </span>
          )}
          {requestId && (
            <Typography.Link onClick={() => onShow(requestId)}>{t('Its row in the log')}</Typography.Link>
          )}
        </Space>
      }
    />
  );
}
