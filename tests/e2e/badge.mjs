// The badge on executions that sidehook has begun, in both of NocoBase's clients: on the list and above the canvas.

import assert from 'node:assert/strict';
import { CLIENTS, inBrowser } from './browser.mjs';
import { signIn } from './nocobase.mjs';
import { call, createWorkflow, executionsOf } from './workflows.mjs';

const { NB_URL, SH_URL } = process.env;
const TITLE = 'Run on both sides';
const BADGE = '[data-sidehook-execution]';

const api = await signIn();
const workflow = await createWorkflow(api, { title: TITLE, sync: true, enabled: true, config: {} });
// Of two within a second, the later one may have the lower id.
const ids = [];
for (const origin of [NB_URL, SH_URL]) {
  assert.equal((await call(`${origin}/api/webhook:trigger/${workflow.key}`, { a: 1 }))[0], 200);
  const all = (await executionsOf(api, workflow)).map(({ id }) => String(id));
  ids.push(all.find((id) => !ids.includes(id)));
}
const [ofNocoBase, ofSidehook] = ids;

try {
  await inBrowser(api.token, async (screen) => {
    for (const client of Object.keys(CLIENTS)) {
      screen.hasPictures = client === 'classic';
      await seeList(screen, client);
      await seeCanvases(screen, client);
      assert.deepEqual(screen.faults, []);
      console.log(`${client}: passed`);
    }
  });
} finally {
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
}

async function seeList(screen, client) {
  const { page } = screen;
  await screen.goto(CLIENTS[client].list);
  await screen.click(page.getByLabel(`executed-${TITLE}`));
  const { drawer } = screen;
  const marked = drawer.locator(`td${BADGE}`);
  await marked.waitFor();
  assert.equal(await marked.innerText(), ofSidehook);
  assert.equal(await marked.getAttribute('title'), 'Run by sidehook');
  // The other one is there, without a badge, as are the workflows below.
  assert.equal(await drawer.locator('td', { hasText: ofNocoBase }).count(), 1);
  assert.equal(await page.locator(BADGE).count(), 1);
  await screen.picture('badge-list', drawer);
}

/** The canvas of an execution, and that of the next one, which NocoBase shows in the same place. */
async function seeCanvases(screen, client) {
  const { page } = screen;
  const path = `${CLIENTS[client].workflow}/executions`;
  await screen.goto(`${path}/${ofSidehook}`);
  const title = page.locator('.ant-breadcrumb strong');
  await page.locator(`strong${BADGE}`).waitFor();
  assert.equal(await title.innerText(), `#${ofSidehook}`);
  await screen.picture('badge', page.locator('.ant-breadcrumb'));
  await screen.click(page.locator('.ant-breadcrumb .ant-dropdown-trigger').last());
  await screen.click(page.locator('.ant-dropdown:visible').getByText(ofNocoBase));
  await page.waitForURL(`**/executions/${ofNocoBase}`);
  await title.filter({ hasText: ofNocoBase }).waitFor();
  await page.locator(`strong${BADGE}`).waitFor({ state: 'detached' });
}
