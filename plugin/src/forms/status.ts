// Whether NocoBase hands webhooks on to a sidehook.

import { useFlowEngine } from '@nocobase/flow-engine';
import { useEffect, useState } from 'react';

/** `SIDEHOOK_URL` without credentials; undefined without one, and for users who may not know it. */
export function useSidehookUrl(): string | undefined {
  const { api } = useFlowEngine().context;
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    let isShown = true;
    const show = ({ data }: Awaited<ReturnType<typeof api.request>>) => {
      const status = data?.data as { url?: string | null } | undefined;
      if (isShown) setUrl(status?.url ?? undefined);
    };
    api.request({ url: 'sidehook:status', skipNotify: true }).then(show, () => {});
    return () => {
      isShown = false;
    };
  }, [api]);
  return url;
}
