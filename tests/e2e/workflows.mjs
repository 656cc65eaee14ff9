// Workflows behind NocoBase's screens: finds and calls them, and waits for what they do.

import { sleep } from './nocobase.mjs';

const TIMEOUT_MS = 180_000;

export async function createWorkflow(api, values) {
  const options = { timeout: 0 };
  return (await api.post('workflows:create', { type: 'webhook', enabled: false, options, ...values })).data;
}

/** The workflow of a title. */
export async function find(api, title, filter) {
  const { data } = await api.get('workflows:list', { filter: JSON.stringify({ title, ...filter }) });
  return data[0];
}

/** Status, body and the header `X-Queue` of an answer. Both sides read changed workflows within a second. */
export async function call(url, body, headers = {}) {
  const send = async () => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return response.status !== 404 && response;
  };
  const response = await until(`${url} is served`, send);
  const queue = response.headers.get('x-queue');
  return [response.status, await response.text(), ...(queue ? [queue] : [])];
}

/** What `look` gives once it gives anything. */
export async function until(what, look) {
  const deadline = Date.now() + TIMEOUT_MS;
  while (Date.now() < deadline) {
    const found = await look();
    if (found) return found;
    await sleep(300);
  }
  throw new Error(`after ${TIMEOUT_MS / 1000} s it is not so: ${what}`);
}

/** The executions of a version, the oldest first. */
export async function executionsOf(api, workflow) {
  const filter = JSON.stringify({ workflowId: workflow.id });
  return (await api.get('executions:list', { filter, sort: 'id' })).data;
}
