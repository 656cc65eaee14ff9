// The part "Security and delivery" of the trigger's form, from the choice of a sender to a delivery that it signs.

import assert from 'node:assert/strict';
import { CLIENTS } from './browser.mjs';
import { deliver } from './github.mjs';
import { createWorkflow, until } from './workflows.mjs';

const { NB_URL, SH_URL } = process.env;
const SECRET = 'kept between the two of us';

/** Chooses GitHub, sets a secret and saves; what is signed with it is let in, and nothing else. */
export async function letInWhoSigns(api, screen, client) {
  const workflow = await createWorkflow(api, {
    title: `Signed ${client}`,
    sync: true,
    enabled: true,
    config: {},
  });
  const stored = async () => (await api.get('workflows:get', { filterByTk: workflow.id })).data.config;
  await screen.goto(`${CLIENTS[client].workflow}/workflows/${workflow.id}`);
  const drawer = await screen.openCard();
  const { page } = screen;
  await screen.click(drawer.getByText('Security and delivery'));
  await screen.choose(drawer.locator('.sidehook-sender .ant-select'), 'GitHub');
  // A secret is needed, which is told where it is missing.
  await screen.click(drawer.getByRole('button', { name: 'Submit' }));
  await drawer.getByText('secret: This is missing.').waitFor();
  const secret = drawer.locator('.sidehook-signature').getByLabel('Secret');
  assert.equal(await secret.getAttribute('type'), 'password');
  await secret.fill(SECRET);
  await secret.blur();
  await drawer.getByText('secret: This is missing.').waitFor({ state: 'hidden' });
  await screen.picture('security', drawer);
  await screen.submit();
  const github = {
    sidehook: {
      signature: { scheme: 'github', secret: SECRET },
      idempotency: { from: 'header:x-github-delivery' },
      parse: ['payload'],
    },
  };
  assert.deepEqual(await stored(), github);
  await page.reload();
  await screen.openCard();
  await screen.submit();
  assert.deepEqual(await stored(), github);
  await seeWhoIsLetIn(workflow.key);
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
}

async function seeWhoIsLetIn(key) {
  const send = (origin, secret, id) => deliver(`${origin}/api/webhook:trigger/${key}`, secret, id);
  // sidehook reads changed workflows within a second.
  await until('sidehook asks for signatures', async () => (await send(SH_URL, 'guessed', '1')) === 401);
  assert.equal(await send(SH_URL, SECRET, '1'), 200);
  // NocoBase alone cannot tell who has signed, and lets nobody in.
  assert.equal(await send(NB_URL, SECRET, '2'), 503);
}
