// What NocoBase's screens say of sidehook while it runs, when it is stopped, and when it is back.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { CLIENTS, inBrowser, pageOf } from './browser.mjs';
import { signIn } from './nocobase.mjs';
import { call, createWorkflow } from './workflows.mjs';

const { NB_URL, SH_URL } = process.env;
const LIBRARY = new URL('lib.sh', import.meta.url).pathname;

const api = await signIn();
await inBrowser(api.token, async (screen) => {
  await seeSleeper(screen);
  screen.hasPictures = true;
  await seeQueue(screen);
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
  await screen.goto(pageOf('classic', 'status'));
  const facts = screen.page.locator('.sidehook-status .ant-descriptions');
  await facts.getByRole('row', { name: `Executions that wait for a time ${before.sleeping + 1}` }).waitFor();
  assert.match(await facts.innerText(), new RegExp(`Waiting executions\\s+${before.waiting}\\s`));
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
}

/** Which workflows sidehook runs from NocoBase's queue: nothing is told of it by default. */
async function seeQueue(screen) {
  const config = { collection: 'users', mode: 1 };
  const values = { type: 'collection', sync: false, enabled: true, config };
  // Those of a run that has failed.
  const filter = JSON.stringify({ title: ['Taken from the queue', 'Left in the queue'] });
  await api.post('workflows:destroy', undefined, { filter });
  const taken = await createWorkflow(api, { ...values, title: 'Taken from the queue' });
  const left = await createWorkflow(api, { ...values, title: 'Left in the queue', sync: true });
  run('stop_sidehook');
  run('start_sidehook');
  for (const client of Object.keys(CLIENTS)) {
    await screen.goto(pageOf(client, 'status'));
    await screen.page.getByText(`sidehook answers at ${SH_URL}/.`).waitFor();
    assert.equal(await screen.page.locator('.sidehook-queued').count(), 0);
  }
  run('stop_sidehook');
  run('start_sidehook SIDEHOOK_WORKFLOWS=all');
  for (const client of Object.keys(CLIENTS)) {
    await screen.goto(pageOf(client, 'status'));
    const table = screen.page.locator('.sidehook-queued');
    const row = (title) => table.getByRole('row', { name: title });
    await row('Taken from the queue sidehook').waitFor();
    await row('Left in the queue NocoBase').waitFor();
    assert.match(await row('Left in the queue').innerText(), /synchronous/);
    // NocoBase is kept from running the same.
    const warning = screen.page.getByText('sidehook takes nothing of it');
    await warning.waitFor({ state: 'hidden' });
    await screen.highPicture(`status-queue-${client}`, 1600);
  }
  run('stop_sidehook');
  run('start_sidehook');
  for (const workflow of [taken, left]) {
    await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
  }
}

async function seeComeAndGo(screen, client) {
  const workflow = await createWorkflow(api, { title: `Watched ${client}`, sync: true, config: {} });
  const page = screen.page.locator('.sidehook-status');
  const answers = page.getByText(`sidehook answers at ${SH_URL}/.`);
  const isGone = page.getByText(`sidehook does not answer at ${SH_URL}/: `);
  const nobody = page.getByText('No sidehook is alive.');
  const alive = page.locator('tr.ant-table-row', { hasText: 'Alive' });
  await screen.goto(pageOf(client, 'status'));
  await answers.waitFor();
  await alive.first().waitFor();
  assert.equal(await nobody.count(), 0);
  await seeWhatItTells(page, workflow);
  await seeWhoAnswers(screen, page, 'and hands calls on to sidehook');
  await screen.highPicture('status', 1250);

  run('stop_sidehook');
  // Without a click.
  await isGone.waitFor();
  await nobody.first().waitFor();
  assert.equal(await answers.count(), 0);
  await seeWhoAnswers(screen, page, 'but does not reach sidehook');
  await alive.first().waitFor({ state: 'hidden' });
  await screen.highPicture('status-gone', 900);
  await seeNotices(screen, client, workflow, 1);

  await screen.goto(pageOf(client, 'status'));
  await isGone.waitFor();
  run('start_sidehook');
  await answers.waitFor();
  await alive.first().waitFor();
  assert.equal(await nobody.count(), 0);
  await seeNotices(screen, client, workflow, 0);
  await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
}

/** What sidehook tells of itself, such as of a call that it has refused in the last hour. */
async function seeWhatItTells(page, workflow) {
  const url = `${SH_URL}/api/webhook:trigger/${workflow.key}`;
  assert.equal((await fetch(url, { method: 'POST' })).status, 404);
  await page.getByText(/^Refused: [1-9]\d*$/).waitFor();
  assert.ok((await page.locator('.sidehook-hour rect').count()) > 0);
  await page.getByText('Latest errors').waitFor();
}

async function seeWhoAnswers(screen, page, who) {
  await screen.click(page.getByRole('button', { name: 'Test the URL' }));
  const told = page.locator('.sidehook-reach .ant-alert', { hasText: who });
  await told.waitFor();
  assert.match(await told.innerText(), new RegExp(`^NocoBase answers at ${NB_URL}/api/webhook:trigger/`));
}

/** In the form of a trigger and on its card: so many. */
async function seeNotices(screen, client, workflow, count) {
  await screen.goto(`${CLIENTS[client].workflow}/workflows/${workflow.id}`);
  await screen.card('Trigger').waitFor();
  const notice = (part) => part.locator('.ant-alert', { hasText: 'No sidehook is alive.' });
  const card = screen.card('Trigger');
  // The classic client has no place for notices: there the card is marked.
  const marked = card.and(screen.page.locator('[data-sidehook-silent="No sidehook is alive."]'));
  const onCard = client === 'newer' ? notice(card) : marked;
  if (count) await onCard.waitFor();
  if (count && client === 'classic') await screen.picture('notice-card', card);
  const drawer = await screen.openCard();
  // It is told there where the calls are handed on to, once the status is known.
  await drawer.getByText(`Calls are handed on to sidehook at ${SH_URL}/.`).waitFor();
  assert.equal(await notice(drawer).count(), count);
  if (count) await screen.picture('notice', drawer);
  assert.equal(await onCard.count(), count);
}
