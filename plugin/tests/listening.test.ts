import { expect, test } from 'vitest';
import { nextRequest } from '../src/forms/listening';

const KEY = 'orders';
const row = (id: string, status: number | null = 404, method = 'POST') => ({ id, status, method });

/** NocoBase, whose log has these rows when it is looked at for the first, the second … time. */
function nocobase(looks: object[][], listening: object = { seconds: 300 }) {
  const asked: string[] = [];
  const request = async ({ url, method, params }: { url: string; method?: string; params?: object }) => {
    asked.push(`${method} ${url} ${new URLSearchParams(params as Record<string, string>)}`);
    const of = (data: unknown) => ({ data: { data } });
    if (url === 'sidehook:listen') return of(listening);
    const { filterByTk, above } = params as { filterByTk?: string; above?: string };
    if (filterByTk) return of({ ...row(filterByTk), body: '{}' });
    return of(above === undefined ? [row('7')] : (looks.shift() ?? []));
  };
  return { api: { request }, asked };
}

const wait = (api: ReturnType<typeof nocobase>['api'], signal = new AbortController().signal) =>
  nextRequest(api, KEY, signal, async () => {});

test('gives the first request that comes in once it is answered, and stops listening', async () => {
  const { api, asked } = nocobase([[], [row('8', null)], [row('9'), row('8')]]);
  expect(await wait(api)).toEqual({ ...row('8'), body: '{}' });
  expect(asked).toEqual([
    'get sidehook:requests limit=1',
    'post sidehook:listen key=orders&seconds=300',
    'get sidehook:requests to=orders&above=7',
    'get sidehook:requests to=orders&above=7',
    'get sidehook:requests to=orders&above=7',
    'get sidehook:requests filterByTk=8',
    'post sidehook:listen key=orders',
  ]);
});

test('what browsers ask before is not the request', async () => {
  const { api } = nocobase([[row('8', 204, 'OPTIONS')], [row('9'), row('8', 204, 'OPTIONS')]]);
  expect(await wait(api)).toMatchObject({ id: '9' });
});

test('says why there is nobody to listen, and does not wait', async () => {
  const { api, asked } = nocobase([], { obstacle: 'token' });
  expect(await wait(api)).toEqual({ obstacle: 'token' });
  expect(asked.length).toBe(2);
});

test('ends after five minutes, and where it is cancelled', async () => {
  const never = nocobase([]);
  expect(await wait(never.api)).toBeUndefined();
  expect(never.asked.filter((line) => line.includes('above')).length).toBe(150);
  const cancelled = nocobase([[row('8')]]);
  expect(await wait(cancelled.api, AbortSignal.abort())).toBeUndefined();
  expect(cancelled.asked.at(-1)).toBe('post sidehook:listen key=orders');
});

test('stops listening where the log cannot be read any more', async () => {
  const { api, asked } = nocobase([]);
  const failing = {
    request: async (options: Parameters<typeof api.request>[0]) => {
      const answer = await api.request(options);
      if (options.params && 'above' in options.params) throw new Error('502');
      return answer;
    },
  };
  await expect(wait(failing)).rejects.toThrow('502');
  expect(asked.at(-1)).toBe('post sidehook:listen key=orders');
});
