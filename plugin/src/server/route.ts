// The URLs of webhooks.

/** The key of the workflow that a path calls, or undefined for another URL. */
export function webhookKey(path: string, apiBasePath = '/api/'): string | undefined {
  const base = `/${apiBasePath}/`.replace(/\/+/g, '/');
  if (!path.startsWith(base)) return;
  const key = /^(?:webhook:trigger|webhooks)\/([^/]+)\/?$/.exec(path.slice(base.length))?.[1];
  if (key === undefined) return;
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
