// What the server half knows of sidehook: whether NocoBase hands webhooks on to one, and whether one is alive.

import { useFlowEngine } from '@nocobase/flow-engine';
import { useEffect, useState } from 'react';
import type { Status } from '../server/status';

/** Undefined until it is known, and for users who may not know it. */
export function useStatus(): Status | undefined {
  const { api } = useFlowEngine().context;
  const [status, setStatus] = useState<Status>();
  useEffect(() => {
    let isShown = true;
    const show = ({ data }: Awaited<ReturnType<typeof api.request>>) => {
      if (isShown) setStatus((data?.data as Status | undefined) ?? undefined);
    };
    api.request({ url: 'sidehook:status', skipNotify: true }).then(show, () => {});
    return () => {
      isShown = false;
    };
  }, [api]);
  return status;
}
