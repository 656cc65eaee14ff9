// What NocoBase's screens say of sidehook while it runs, when it is stopped, and when it is back.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { CLIENTS, inBrowser } from './browser.mjs';
import { signIn } from './nocobase.mjs';
import { call, createWorkflow } from './workflows.mjs';

const { SH_URL } = process.env;
const LIBRARY = new URL('lib.sh', import.meta.url).pathname;
const PAGES = { classic: '/admin/settings/sidehook/status', newer: '/v/admin/settings/sidehook/status' };

const api = await signIn();
await inBrowser(api.token, async (screen) => {
  await seeSleeper(screen);
  for (const client of Object.keys(CLIENTS)) {
    screen.hasPictures = client === 'classic';
    await seeComeAndGo(screen, client);
    assert.deepEqual(screen.faults, []);
    console.log(`${client}: passed`);
  }
});

/** `start_sidehook` or `stop_sidehook`. */
function run(step) {
  execFileSync('bash', ['-c', `. "$0"; load_ports; ${step}`, LIBRARY], { stdio: 'inherit' });
}

/** An execution in a delay waits for its time, and for nobody. */
async function seeSleeper(screen) {
  const workflow = await createWorkflow(api, { title: 'Delayed', sync: false, enabled: true, config: {} });
  const delay = { type: 'delay', upstreamId: null, config: { duration: 1, unit: 3_600_000, endStatus: 1 } };
  await api.post(`workflows/${workflow.id}/nodes:create`, delay);
  const before = (await api.get('sidehook:status')).data.backlog;
  await call(`${SH_URL}/api/webhook:trigger/${workflow.key}`, {});
  await screen.goto(PAGES.classic);
  const facts = screen.page.locator('.sidehook-status .ant-descriptions');
  await facts.getByRole('row', { name: `Executions that wait for a time ${before.sleeping + 1}` }).waitFor();
  assert.match(await facts.innerText(), new RegExp(`Waiting executions\\s+${before.waiting}\\s`));
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
}

async function seeComeAndGo(screen, client) {
  const workflow = await createWorkflow(api, { title: `Watched ${client}`, sync: true, config: {} });
  const page = screen.page.locator('.sidehook-status');
  const answers = page.getByText(`sidehook answers at ${SH_URL}/.`);
  const isGone = page.getByText(`sidehook does not answer at ${SH_URL}/: `);
  const nobody = page.getByText('No sidehook is alive.');
  const alive = page.locator('tr.ant-table-row', { hasText: 'Alive' });
  await screen.goto(PAGES[client]);
  await answers.waitFor();
  await alive.first().waitFor();
  assert.equal(await nobody.count(), 0);
  await screen.picture('status');

  run('stop_sidehook');
  // Without a click.
  await isGone.waitFor();
  await nobody.first().waitFor();
  assert.equal(await answers.count(), 0);
  await alive.first().waitFor({ state: 'hidden' });
  await screen.picture('status-gone');
  await seeNotices(screen, client, workflow, 1);

  await screen.goto(PAGES[client]);
  await isGone.waitFor();
  run('start_sidehook');
  await answers.waitFor();
  await alive.first().waitFor();
  assert.equal(await nobody.count(), 0);
  await seeNotices(screen, client, workflow, 0);
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
}

/** In the form of a trigger, and on its card where the client shows notices: so many. */
async function seeNotices(screen, client, workflow, count) {
  await screen.goto(`${CLIENTS[client].workflow}/workflows/${workflow.id}`);
  await screen.card('Trigger').waitFor();
  const notice = (part) => part.locator('.ant-alert', { hasText: 'No sidehook is alive.' });
  if (client === 'newer' && count) await notice(screen.card('Trigger')).waitFor();
  const drawer = await screen.openCard();
  // It is told there where the calls are handed on to, once the status is known.
  await drawer.getByText(`Calls are handed on to sidehook at ${SH_URL}/.`).waitFor();
  assert.equal(await notice(drawer).count(), count);
  if (count) await screen.picture('notice', drawer);
  if (client === 'newer') assert.equal(await notice(screen.card('Trigger')).count(), count);
}
