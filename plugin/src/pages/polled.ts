// What an action says, asked again and again as long as somebody looks.

import { useFlowEngine } from '@nocobase/flow-engine';
import { useEffect, useState } from 'react';

/** The newest answer, and why the last question has failed. */
export function usePolled<T>(url: string, everyMs: number): { data?: T; fault?: string } {
  const { api } = useFlowEngine().context;
  const [answer, setAnswer] = useState<{ data?: T; fault?: string }>({});
  useEffect(() => {
    let isShown = true;
    const ask = async () => {
      if (document.hidden) return;
      try {
        const { data } = await api.request({ url, skipNotify: true });
        if (isShown) setAnswer({ data: data?.data as T });
      } catch (error) {
        const fault = error instanceof Error ? error.message : String(error);
        if (isShown) setAnswer((before) => ({ ...before, fault }));
      }
    };
    void ask();
    const timer = setInterval(ask, everyMs);
    return () => {
      isShown = false;
      clearInterval(timer);
    };
  }, [api, url, everyMs]);
  return answer;
}
