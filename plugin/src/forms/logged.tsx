// The choice of a request of the log, which fills "Request" at once.

import { Alert, Form, Select } from 'antd';
import dayjs from 'dayjs';
import { useFlowEngine } from '@nocobase/flow-engine';
import { useCurrentWorkflowContext } from '@nocobase/plugin-workflow/client-v2';
import { useEffect, useState } from 'react';
import { useLocation } from 'react-router-dom';
import { type Entry, urlOf } from '../pages/entries';
import { SAMPLE } from '../pages/paths';
import type { RequestDetail } from '../server/requests';
import type { Request } from './items';
import { Listen } from './listen';
import { useT } from './locale';
import type { Control } from './part';
import { withSample } from './sample';

const OFFERED = 20;

/** Nothing for those who may not see requests, and for a version that has run. */
export function LoggedRequests({ onChange }: Control<Request | null>) {
  const t = useT();
  const { api } = useFlowEngine().context;
  const { key, versionStats } = useCurrentWorkflowContext();
  const form = Form.useFormInstance();
  const { entries, add } = useNewest();
  const asked = new URLSearchParams(useLocation().search).get(SAMPLE);
  const [chosen, setChosen] = useState<string>();
  const [hasBody, setHasBody] = useState(true);
  const fill = async (id: string) => {
    const { data } = await api.request({
      url: 'sidehook:requests',
      params: { filterByTk: id },
      skipNotify: true,
    });
    if (data?.data) fillFrom(data.data as RequestDetail);
  };
  const fillFrom = (request: RequestDetail) => {
    // Meanwhile somebody may have changed the fields.
    const filled = withSample(form.getFieldValue(['config', 'request']), request);
    setChosen(request.id);
    setHasBody(filled.hasBody);
    onChange?.(filled.request);
  };
  const isAsked = asked !== null && entries?.some(({ id }) => id === asked);
  const isLocked = Number(versionStats?.executed) > 0;
  useEffect(() => {
    // Once, for whoever comes from the log by "Use as sample".
    if (isAsked && !isLocked) fill(asked).catch(() => {});
  }, [isAsked]);
  if (!entries || (isLocked && !entries.length)) return null;
  return (
    <Form.Item
      label={t('From a request in the log')}
      className="sidehook-sample"
      extra={
        <>
          {t('Lists the names of its headers, its query and its body.')}{' '}
          {!isLocked &&
            t(
              'While you listen, requests are kept also where the workflow is switched off; its first run locks this version.',
            )}
        </>
      }
    >
      <Select
        value={chosen}
        placeholder={t('None')}
        aria-label={t('From a request in the log')}
        options={entries.map((entry) => ({ value: entry.id, label: labelOf(entry) }))}
        onChange={(id: string) => fill(id).catch(() => {})}
      />
      {!isLocked && key && (
        <Listen
          workflow={key}
          onFound={(request) => {
            add(request);
            fillFrom(request);
          }}
        />
      )}
      {!hasBody && (
        <Alert
          showIcon
          type="warning"
          style={{ marginTop: 8 }}
          message={t(
            'The body of this request is not kept: choose "All requests with their bodies" under "What is logged".',
          )}
        />
      )}
    </Form.Item>
  );
}

const labelOf = (entry: Entry) =>
  `${dayjs(entry.receivedAt).format('YYYY-MM-DD HH:mm:ss')} · ${entry.status ?? '–'} · ${entry.method} ${urlOf(entry)}`;

/** The newest requests of this webhook; undefined for those who may not see them. */
function useNewest() {
  const { api } = useFlowEngine().context;
  const { key } = useCurrentWorkflowContext();
  const [entries, setEntries] = useState<Entry[]>();
  useEffect(() => {
    let isShown = true;
    const show = ({ data }: Awaited<ReturnType<typeof api.request>>) => {
      if (isShown) setEntries((data?.data as Entry[] | null) ?? []);
    };
    const params = { workflow: key, limit: OFFERED };
    if (key) api.request({ url: 'sidehook:requests', params, skipNotify: true }).then(show, () => {});
    return () => {
      isShown = false;
    };
  }, [api, key]);
  const add = (entry: Entry) => setEntries((before) => [entry, ...(before ?? [])]);
  return { entries, add };
}
