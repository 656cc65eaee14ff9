// The plugin's forms on NocoBase's screens, in both of its clients.

import assert from 'node:assert/strict';
import { CLIENTS, inBrowser } from './browser.mjs';
import { signIn } from './nocobase.mjs';

const api = await signIn();
await inBrowser(api.token, async (screen) => {
  for (const client of Object.keys(CLIENTS)) {
    await keepConfigurations(screen, client);
    assert.deepEqual(screen.faults, []);
    console.log(`${client}: passed`);
  }
});

/** Submitting a drawer in which nothing was touched changes nothing, not even members that no form knows. */
async function keepConfigurations(screen, client) {
  const configs = {
    trigger: {
      basicAuthentication: { username: 'shop', password: 'secret' },
      request: {
        headers: [{ key: 'X-A' }],
        body: [{ key: 'order.id', _var: 'id', alias: 'Order', more: 1 }],
      },
      response: { statusCode: 202, headers: [{ name: 'X-B', value: '{{$context.body.id}}' }], body: ['ok'] },
      sidehook: { path: 'orders/:id', later: { a: [1] } },
      unknown: true,
    },
    node: { statusCode: 201, headers: [{ name: 'X-B', value: 1 }], body: { a: null }, unknown: [{}] },
  };
  for (const [trigger, node] of [Object.values(configs), [{}, {}]]) {
    const workflow = await createWorkflow({ title: `Kept ${client}`, sync: true, config: trigger });
    const answer = await createNode(workflow, { type: 'response', title: 'Answer', config: node });
    await screen.goto(`${CLIENTS[client].canvas}/${workflow.id}`);
    for (const title of [undefined, 'Answer']) {
      await screen.openCard(title);
      await screen.submit();
    }
    const stored = {
      trigger: (await api.get('workflows:get', { filterByTk: workflow.id })).data.config,
      node: (await api.get('flow_nodes:get', { filterByTk: answer.id })).data.config,
    };
    await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
    assert.deepEqual(stored, { trigger, node });
  }
}

async function createWorkflow(values) {
  const { data } = await api.post('workflows:create', {
    type: 'webhook',
    enabled: false,
    options: { timeout: 0 },
    ...values,
  });
  return data;
}

async function createNode(workflow, values) {
  return (await api.post(`workflows/${workflow.id}/nodes:create`, { upstreamId: null, ...values })).data;
}
