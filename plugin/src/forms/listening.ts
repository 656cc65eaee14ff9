// Waits for the next request to a webhook, by way of the request log: sidehook keeps all of them meanwhile.

import type { Api } from '@nocobase/flow-engine';
import type { Hindered } from '../server/manage';
import type { RequestDetail, RequestRow } from '../server/requests';

export const LISTENING_S = 300;
const EVERY_MS = 2000;

/** What browsers ask before they send something. */
const PREFLIGHT = 'OPTIONS';

/**
 * The first request that comes in, once it is known how it was answered; undefined when none has come or `signal` has
 * ended it.
 */
export async function nextRequest(
  api: Pick<Api, 'request'>,
  key: string,
  signal: AbortSignal,
  pause: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
): Promise<RequestDetail | Hindered | undefined> {
  const ask = async (action: string, params: object, method: 'get' | 'post' = 'get') => {
    const { data } = await api.request({ url: `sidehook:${action}`, method, params, skipNotify: true });
    return data?.data;
  };
  const look = async (params: object) => ((await ask('requests', params)) ?? []) as RequestRow[];
  const [newest] = await look({ limit: 1 });
  const begun = await ask('listen', { key, seconds: LISTENING_S }, 'post');
  if (begun && typeof begun === 'object' && 'obstacle' in begun) return begun as Hindered;
  try {
    for (let waited = 0; waited < LISTENING_S * 1000 && !signal.aborted; waited += EVERY_MS) {
      const found = await look({ to: key, above: newest?.id ?? '0' });
      const first = found.filter(({ method }) => method !== PREFLIGHT).at(-1);
      if (first && first.status !== null)
        return (await ask('requests', { filterByTk: first.id })) as RequestDetail;
      await pause(EVERY_MS);
    }
    return;
  } finally {
    // It ends by itself, too.
    ask('listen', { key }, 'post').catch(() => {});
  }
}
