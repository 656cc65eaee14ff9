// What webhooks there are, for those who know them by their keys only.

import { useFlowEngine } from '@nocobase/flow-engine';
import { keyBy } from 'lodash';
import { useEffect, useState } from 'react';
import type { Webhook } from '../server/requests';

/** By their keys. */
export type Webhooks = Record<string, Webhook>;

export function useWebhooks(): Webhooks {
  const { api } = useFlowEngine().context;
  const [webhooks, setWebhooks] = useState<Webhooks>({});
  useEffect(() => {
    const show = ({ data }: Awaited<ReturnType<typeof api.request>>) =>
      setWebhooks(keyBy((data?.data ?? []) as Webhook[], 'key'));
    // Without titles there are keys.
    api.request({ url: 'sidehook:webhooks', skipNotify: true }).then(show, () => {});
  }, [api]);
  return webhooks;
}
