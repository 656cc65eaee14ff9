// The URL of a workflow, a line for curl that calls it, and what to know before the first call.

import { Alert, Form, Typography } from 'antd';
import { useFlowEngine } from '@nocobase/flow-engine';
import { Link } from 'react-router-dom';
import { useCurrentWorkflowContext } from '@nocobase/plugin-workflow/client-v2';
import { isMissed } from '../pages/alive';
import { REQUESTS } from '../pages/paths';
import type { TriggerConfig } from '../server/config';
import type { Status } from '../server/status';
import { curlLine } from './example';
import { useT } from './locale';

export function Address({ status }: { status: Status | undefined }) {
  const t = useT();
  const { app } = useFlowEngine().context;
  const { key, versionStats } = useCurrentWorkflowContext();
  const form = Form.useFormInstance();
  const config: TriggerConfig | undefined = Form.useWatch('config', { form, preserve: true });
  const sidehook = status?.url;
  const url = app.getApiUrl(`webhook:trigger/${key}`);
  const curl = curlLine(url, config);
  return (
    <>
      {status && isMissed({ type: 'webhook', config }, status) && (
        <Form.Item>
          <Alert
            showIcon
            type="warning"
            message={t('No sidehook is alive.')}
            description={t(
              'Webhooks that only sidehook can serve are refused, and executions that belong to it wait. Start sidehook.',
            )}
          />
        </Form.Item>
      )}
      <Form.Item
        label={t('URL')}
        extra={sidehook && t('Calls are handed on to sidehook at {{url}}.', { url: sidehook })}
      >
        <Typography.Text code copyable={{ text: url }} className="sidehook-url">
          {url}
        </Typography.Text>
      </Form.Item>
      <Form.Item label={t('Call it with curl')}>
        <Typography.Text code copyable={{ text: curl }}>
          {curl}
        </Typography.Text>
      </Form.Item>
      <Form.Item>
        {/* The drawer stays as it is, with what has not been saved yet. */}
        <Link to={`${REQUESTS}?workflow=${key}`} target="_blank">
          {t('Requests in the log')}
        </Link>
      </Form.Item>
      <Form.Item>
        <Alert
          showIcon
          type="info"
          message={
            Number(versionStats?.executed)
              ? t(
                  'This version has run and is locked: make a new version to change it. The URL stays the same.',
                )
              : t(
                  'The first call locks this version, a trial too. To change it then, make a new version: the URL stays the same.',
                )
          }
        />
      </Form.Item>
    </>
  );
}
