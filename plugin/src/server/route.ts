// The URLs of webhooks.

import qs from 'qs';

/** The key of the workflow that a URL calls, or undefined for another one. `query` is without `?`. */
export function webhookKey(path: string, apiBasePath = '/api/', query = ''): string | undefined {
  const base = `/${apiBasePath}/`.replace(/\/+/g, '/');
  if (!path.startsWith(base)) return;
  const rest = path.slice(base.length);
  if (/^webhook(?::|%3a)trigger\/?$/i.test(rest)) {
    const { filterByTk } = qs.parse(query);
    return typeof filterByTk === 'string' ? filterByTk : undefined;
  }
  const key = /^(?:webhook(?::|%3a)trigger|webhooks)\/([^/]+)\/?$/i.exec(rest)?.[1];
  if (key === undefined) return;
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
