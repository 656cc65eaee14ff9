// From a sample to a webhook that runs, on NocoBase's screens in both clients: chooses GitHub and a secret, waits for a
// delivery, fills the form from it and saves; what a wrong secret has refused is sent again once that is mended.

import assert from 'node:assert/strict';
import { CLIENTS, inBrowser, pageOf } from './browser.mjs';
import { deliver } from './github.mjs';
import { ApiError, signIn } from './nocobase.mjs';
import { createWorkflow, until } from './workflows.mjs';

const { NB_URL } = process.env;
const SECRET = 'kept between the two of us';
const MISTYPED = 'kept between the two of sus';
const ACTIONS = {
  get: ['status', 'reach', 'requests', 'webhooks', 'retention'],
  post: ['recover', 'replay', 'listen'],
};

const api = await signIn();
await inBrowser(api.token, async (screen) => {
  for (const client of Object.keys(CLIENTS)) {
    screen.hasPictures = client === 'classic';
    await fromSampleToRun(screen, client);
    assert.deepEqual(screen.faults, []);
    console.log(`${client}: passed`);
  }
});
await api.post('systemSettings:update', { enabledLanguages: ['en-US', 'zh-CN'] }, { filterByTk: 1 });
for (const [locale, heading] of Object.entries({
  'en-US': 'Requests of the last hour',
  'zh-CN': '最近一小时的请求',
}))
  await inBrowser(api.token, (screen) => seeHour(screen, heading, locale), { locale });
await withoutPermission();
console.log('a user without the permission: passed');

async function fromSampleToRun(screen, client) {
  const title = `Sampled ${client}`;
  const workflow = await createWorkflow(api, { title, sync: true, config: {} });
  // As GitHub would: by way of NocoBase, which hands it on.
  const send = (secret, id) =>
    deliver(`${NB_URL}/api/webhook:trigger/${workflow.key}?from=github`, secret, id);
  const canvas = `${CLIENTS[client].workflow}/workflows/${workflow.id}`;
  await screen.goto(canvas);
  const drawer = await screen.openCard();
  await screen.click(drawer.getByText('Security and delivery'));
  await screen.choose(drawer.locator('.sidehook-sender .ant-select'), 'GitHub');
  await drawer.locator('.sidehook-signature').getByLabel('Secret').fill(MISTYPED);
  await listen(screen, drawer, send);
  await screen.submit();
  const stored = async () => (await api.get('workflows:get', { filterByTk: workflow.id })).data.config;
  assert.deepEqual(await stored(), {
    request: {
      headers: [{ key: 'x-github-delivery' }, { key: 'x-github-event' }],
      query: [{ key: 'from' }],
      body: [{ key: 'zen' }],
    },
    sidehook: {
      signature: { scheme: 'github', secret: MISTYPED },
      idempotency: { from: 'header:x-github-delivery' },
      parse: ['payload'],
    },
  });

  await api.post('workflows:update', { enabled: true }, { filterByTk: workflow.id });
  await until('the delivery is refused', async () => (await send(SECRET, 'lost')) === 401);
  const row = await seeRefusal(screen, client, workflow);

  await screen.goto(canvas);
  const again = await screen.openCard();
  await screen.click(again.getByText('Security and delivery'));
  await again.locator('.sidehook-signature').getByLabel('Secret').fill(SECRET);
  await screen.submit();
  assert.equal((await stored()).sidehook.signature.secret, SECRET);
  await sendAgain(screen, client, workflow, row);
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
}

/** The workflow is switched off; what arrives fills the form all the same. */
async function listen(screen, drawer, send) {
  const part = drawer.locator('.sidehook-listen');
  const button = part.getByRole('button', { name: 'Listen for a request' });
  await screen.click(button);
  await part.getByText(/\d+ s left/).waitFor();
  await screen.click(part.getByText('Cancel'));
  await button.waitFor();
  await screen.click(button);
  await part.getByText('Waiting for a request').waitFor();
  await screen.picture('listening', drawer);
  // Until sidehook listens, nothing is kept.
  const come = part.getByText('This request has come in');
  let number = 0;
  await until('a delivery has come in', async () => {
    assert.equal(await send(SECRET, `sample ${(number += 1)}`), 404);
    return come.waitFor({ timeout: 5000 }).then(
      () => true,
      () => false,
    );
  });
  assert.match(await part.locator('pre').innerText(), /^POST \/api\/webhook:trigger\/\S+\?from=\S+\n\{"zen"/);
  await screen.picture('listened', drawer);
}

/** The reason of a refusal stands in the log. Gives the id of the request. */
async function seeRefusal(screen, client, workflow) {
  await screen.goto(`${pageOf(client, 'requests')}?workflow=${workflow.key}`);
  const { page } = screen;
  const row = page.locator('.sidehook-requests tr.ant-table-row', { hasText: '401' }).first();
  await row.waitFor();
  assert.match(await row.innerText(), /signature/i);
  await keep(screen, page.locator('.sidehook-retention'));
  return row.getAttribute('data-row-key');
}

/** Sets for how long requests are kept, and takes it back. */
async function keep(screen, part) {
  const { page } = screen;
  const choose = async (text) => {
    await screen.click(part.getByText('Edit'));
    await screen.click(part.locator('.ant-select'));
    await screen.click(page.locator('.ant-select-item-option:visible', { hasText: text }));
    await screen.picture('retention', part);
    await screen.click(part.getByRole('button', { name: 'Save' }));
  };
  await part.getByText('Requests are kept for 7 days.').waitFor();
  await choose(/^30 days$/);
  await part.getByText('Requests are kept for 30 days.').waitFor();
  await choose('As the environment of sidehook says: 7 days');
  await part.getByText('Requests are kept for 7 days.').waitFor();
}

async function sendAgain(screen, client, workflow, id) {
  const { page } = screen;
  await screen.goto(`${pageOf(client, 'requests')}?workflow=${workflow.key}`);
  await screen.click(page.locator(`tr[data-row-key="${id}"]`));
  const { drawer } = screen;
  const part = drawer.locator('.sidehook-replay');
  // sidehook reads changed workflows within a second.
  await until('the request is let in', async () => {
    await screen.click(part.getByRole('button', { name: 'Send again' }));
    const question = page.locator('.ant-popconfirm:visible');
    // It was refused, for which somebody has to vouch.
    await question.getByText('It was refused when it came').waitFor();
    await screen.picture('replay-question', drawer);
    await screen.click(question.locator('.ant-btn-primary'));
    await question.waitFor({ state: 'hidden' });
    await part.locator('.ant-alert').waitFor();
    return (await part.innerText()).includes('Answered with 200.');
  });
  await screen.picture('replayed', drawer);
  const execution = part.getByRole('link').first();
  const number = await execution.innerText();
  await screen.click(part.getByText('Its row in the log'));
  await drawer.locator('.ant-descriptions', { hasText: number }).waitFor();
  await screen.click(drawer.locator('.ant-descriptions').getByRole('link', { name: number }));
  await screen.card('Trigger').waitFor();

  // And from the execution back to its request.
  const link = page.locator('.sidehook-request-link a');
  await link.waitFor();
  await screen.picture('request-link', page.locator('.ant-breadcrumb'));
  assert.equal(await link.getAttribute('href'), `${pageOf(client, 'requests')}?text=${number}`);
  await screen.goto(await link.getAttribute('href'));
  await page.locator('.sidehook-requests tr.ant-table-row', { hasText: number }).waitFor();
}

/** All of that is in the last hour. */
async function seeHour(screen, heading, locale) {
  const { page } = screen;
  await screen.goto(pageOf('classic', 'status'));
  await page.getByText(heading).waitFor();
  await page.locator('.sidehook-hour rect').first().waitFor();
  screen.hasPictures = true;
  await screen.highPicture(`status-${locale}`, 1150);
  console.log(`${locale}: passed`);
}

/** A user who may do all else sees none of it, on the screens and by the API. */
async function withoutPermission() {
  const name = `builder${Date.now()}`;
  // As NocoBase's own page of permissions writes it.
  const snippets = ['ui.*', 'pm', 'pm.*', 'app', '!pm.sidehook', '!pm.sidehook.requests'];
  await api.post('roles:create', { name, title: name, snippets });
  const values = { username: name, password: 'builder123', roles: [name] };
  const { data: user } = await api.post('users:create', values);
  const workflow = await createWorkflow(api, { title: name, sync: true, config: {} });
  const builder = await signIn({ account: name, password: 'builder123' }, name);
  for (const [method, actions] of Object.entries(ACTIONS)) {
    for (const action of actions) {
      const refused = (error) => error instanceof ApiError && error.status === 403;
      await assert.rejects(builder[method](`sidehook:${action}`), refused, action);
    }
  }
  const look = async (screen) => {
    for (const client of Object.keys(CLIENTS)) {
      await screen.goto(`${CLIENTS[client].workflow}/workflows/${workflow.id}`);
      const drawer = await screen.openCard();
      await drawer.getByPlaceholder('Paste an example in JSON').waitFor();
      await screen.page.waitForLoadState('networkidle');
      assert.equal(await drawer.locator('.sidehook-sample, .sidehook-listen').count(), 0);
      await screen.goto(pageOf(client, 'requests'));
      await screen.page.waitForLoadState('networkidle');
      assert.equal(await screen.page.locator('.sidehook-requests, .sidehook-status').count(), 0);
    }
  };
  await inBrowser(builder.token, look, { role: name });
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
  await api.post('users:destroy', undefined, { filterByTk: user.id });
  await api.post('roles:destroy', undefined, { filterByTk: name });
}
