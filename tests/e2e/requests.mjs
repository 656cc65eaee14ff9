// The request log on NocoBase's screens, in both of its clients: what was refused, and why, what has run, and what
// those see who may not.

import assert from 'node:assert/strict';
import { CLIENTS, inBrowser, pageOf } from './browser.mjs';
import { deliver } from './github.mjs';
import { ApiError, signIn } from './nocobase.mjs';
import { createWorkflow, until } from './workflows.mjs';

const { NB_URL, SH_URL } = process.env;
const SECRET = 'kept between the two of us';

const api = await signIn();
await inBrowser(api.token, async (screen) => {
  for (const client of Object.keys(CLIENTS)) {
    screen.hasPictures = client === 'classic';
    await seeRequests(screen, client);
    assert.deepEqual(screen.faults, []);
    console.log(`${client}: passed`);
  }
});
await inBrowser(api.token, inChinese, { locale: 'zh-CN' });
await seeNothing();
console.log('a user without the permission: passed');

/** A webhook of GitHub, and how to call it with a secret. */
async function createWebhook(title) {
  const signature = { scheme: 'github', secret: SECRET };
  const idempotency = { from: 'header:x-github-delivery' };
  const workflow = await createWorkflow(api, {
    title,
    sync: true,
    enabled: true,
    config: { sidehook: { signature, idempotency, log: 'bodies' } },
  });
  const url = `${SH_URL}/api/webhook:trigger/${workflow.key}?from=github`;
  const send = (secret, id) => deliver(url, secret, id);
  await until('sidehook asks for signatures', async () => (await send('guessed', 'a')) === 401);
  return { workflow, send };
}

async function seeRequests(screen, client) {
  const { page } = screen;
  const title = `Logged ${client}`;
  const { workflow, send } = await createWebhook(title);
  // From the trigger it is a click to its requests.
  await screen.goto(`${CLIENTS[client].workflow}/workflows/${workflow.id}`);
  const trigger = await screen.openCard();
  const opened = page.waitForEvent('popup');
  await screen.click(trigger.getByText('Requests in the log'));
  const popup = await opened;
  await popup.waitForURL(/workflow=/);
  const href = popup.url();
  await popup.close();
  assert.equal(href, `${NB_URL}${pageOf(client, 'requests')}?workflow=${workflow.key}`);
  await screen.goto(href.replace(NB_URL, ''));
  const rows = page.locator('.sidehook-requests tr.ant-table-row');
  const refused = rows.filter({ hasText: '401' });
  await refused.first().waitFor();
  assert.match(await refused.first().innerText(), new RegExp(`${title}\\s+POST /api/webhook:trigger/`));

  await useAsSample(screen, refused.first(), workflow);
  await screen.goto(href.replace(NB_URL, ''));
  await refused.first().waitFor();

  // What comes in is there by itself.
  assert.equal(await send(SECRET, '1'), 200);
  const run = rows.filter({ hasText: '200' });
  await run.first().waitFor();
  assert.equal(await send(SECRET, '1'), 200);
  await rows.filter({ hasText: 'A duplicate of execution' }).waitFor();
  await screen.picture('requests');

  await seeRefusal(screen, refused.first());
  await narrowDown(screen, rows, await run.last().locator('a').innerText());
  await followExecution(screen, client, run.last());
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
}

/** What was refused fills the form, while nothing has run yet. */
async function useAsSample(screen, row, workflow) {
  await screen.click(row);
  await screen.click(screen.drawer.getByText('Use as sample'));
  await screen.card('Trigger').waitFor();
  const drawer = await screen.openCard();
  await drawer.locator('.sidehook-sample .ant-select-selection-item', { hasText: '· 401 ·' }).waitFor();
  await until('the form is filled', async () =>
    (await drawer.locator('input').evaluateAll((all) => all.map(({ value }) => value))).includes('zen'),
  );
  await screen.picture('sample', drawer);
  await screen.submit();
  const { data } = await api.get('workflows:get', { filterByTk: workflow.id });
  assert.deepEqual(data.config, {
    ...workflow.config,
    request: {
      headers: [{ key: 'x-github-delivery' }, { key: 'x-github-event' }],
      query: [{ key: 'from' }],
      body: [{ key: 'zen' }],
    },
  });
}

async function seeRefusal(screen, row) {
  const { page } = screen;
  await screen.click(row);
  const { drawer } = screen;
  const head = drawer.locator('.sidehook-head');
  await head.waitFor();
  assert.match(await head.innerText(), /^POST \/api\/webhook:trigger\/\S+\?from=github\n/);
  assert.match(await head.innerText(), /x-hub-signature-256: \[withheld\]/);
  assert.equal(
    await drawer.locator('.sidehook-body').innerText(),
    '{\n  "zen": "Keep it logically awesome."\n}',
  );
  assert.match(await drawer.locator('.ant-descriptions').innerText(), /Reason\s+\S*.*signature/i);
  await screen.click(drawer.locator('.sidehook-curl').getByRole('button'));
  const line = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(line, new RegExp(`^curl --globoff --request 'POST' '${NB_URL}/api/webhook:trigger/`));
  assert.match(line, /--data-raw '\{"zen":"Keep it logically awesome\."\}'$/);
  await screen.picture('refused', drawer);
  await screen.click(drawer.locator('.ant-drawer-close'));
  await drawer.waitFor({ state: 'hidden' });
}

/** By outcome, by text and by execution. */
async function narrowDown(screen, rows, execution) {
  const { page } = screen;
  const only = async (count, what) =>
    until(what, async () => {
      const texts = await rows.allInnerTexts();
      return texts.length > 0 && texts.every((text) => text.includes(count));
    });
  const outcome = page.locator('.sidehook-requests .ant-select').nth(1);
  await screen.choose(outcome, 'Refused');
  await only('401', 'what was refused is shown alone');
  await screen.choose(outcome, 'Answered');
  await only('200', 'what was answered is shown alone');
  const text = page.getByPlaceholder('Text in the request');
  await text.fill('no such text');
  await text.press('Enter');
  await until('nothing has this text', async () => (await rows.count()) === 0);
  // The id of an execution finds its request, and the duplicate.
  await text.fill(execution);
  await text.press('Enter');
  await until('the requests of an execution are shown', async () => (await rows.count()) === 2);
  await text.fill('');
  await text.press('Enter');
  await rows.first().waitFor();
}

async function followExecution(screen, client, row) {
  const link = row.locator('a');
  const id = await link.innerText();
  await screen.click(link);
  await screen.card('Trigger').waitFor();
  assert.ok(screen.page.url().endsWith(`${CLIENTS[client].workflow}/executions/${id}`), screen.page.url());
}

async function inChinese(screen) {
  await api.post('systemSettings:update', { enabledLanguages: ['en-US', 'zh-CN'] }, { filterByTk: 1 });
  await screen.goto(pageOf('classic', 'requests'));
  await screen.page.locator('tr.ant-table-row').first().waitFor();
  await screen.page.getByRole('columnheader', { name: '接收时间' }).waitFor();
  screen.hasPictures = true;
  await screen.picture('requests-chinese');
  console.log('zh-CN: passed');
}

/** A user without the permission gets no requests. */
async function seeNothing() {
  const username = `member${Date.now()}`;
  const { data: user } = await api.post('users:create', {
    username,
    password: 'member123',
    roles: ['member'],
  });
  const member = await signIn({ account: username, password: 'member123' }, 'member');
  for (const action of ['sidehook:requests', 'sidehook:webhooks', 'sidehook:status']) {
    await assert.rejects(member.get(action), (error) => error instanceof ApiError && error.status === 403);
  }
  assert.ok((await api.get('sidehook:requests')).data.length > 0);
  await api.post('users:destroy', undefined, { filterByTk: user.id });
}
