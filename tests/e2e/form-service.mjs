// A synchronous workflow, made by hand on NocoBase's screens: a form service that answers by condition.

import assert from 'node:assert/strict';
import { CLIENTS } from './browser.mjs';
import { call, executionsOf, find, until } from './workflows.mjs';

const { NB_URL, SH_URL } = process.env;
const MAX_CLICKS = 35;
const SIGN_UP = {
  person: { name: 'Ada', email: 'ada@example.com', age: 36 },
  topics: [{ name: 'news' }],
  note: 'x',
};

/** A synchronous workflow: a condition on a nested path decides between two response nodes. */
export async function answerByCondition(api, screen, client) {
  const { page } = screen;
  const title = { classic: 'Sign-up', newer: 'Sign-up again' }[client];
  const clicksBefore = screen.clicks;
  await addWorkflow(screen, client, title, 'Synchronously');
  await parseBody(screen);
  await addCondition(screen);
  // Creating a record belongs to the tutorial, not to what is counted.
  const clicksOfRecord = client === 'classic' ? await addRecord(screen) : 0;
  await addResponses(screen, client === 'classic' ? 3 : 2);
  await screen.click(page.getByRole('switch').first());
  const workflow = await until('the workflow is enabled', () => find(api, title, { enabled: true }));
  await screen.openCard();
  const url = await copyUrl(screen);
  await screen.close();
  const clicks = screen.clicks - clicksBefore - clicksOfRecord;
  console.log(`${client}: a service that answers by condition with ${clicks} clicks`);
  assert.ok(clicks <= MAX_CLICKS, `${clicks} clicks`);
  assert.equal(url, `${NB_URL}/api/webhook:trigger/${workflow.key}`);

  for (const [index, origin] of [NB_URL, SH_URL].entries()) {
    const target = url.replace(NB_URL, origin);
    const email = `ada${index}@example.com`;
    const adult = { ...SIGN_UP, person: { ...SIGN_UP.person, email } };
    assert.deepEqual(await call(target, adult), [200, '{"welcome":"Ada","topic":"news"}']);
    const young = { person: { ...SIGN_UP.person, age: 12 } };
    assert.deepEqual(await call(target, young), [422, 'Ada is too young']);
    const { data: users } = await api.get('users:list', { filter: JSON.stringify({ email }) });
    if (clicksOfRecord)
      assert.deepEqual(
        users.map(({ nickname }) => nickname),
        ['Ada'],
      );
  }
  const executions = await executionsOf(api, workflow);
  assert.equal(executions.length, 4);
  for (const { id } of executions) {
    const { context } = (await api.get('executions:get', { filterByTk: id })).data;
    await seeBranch(screen, client, id, context.body.person_age >= 18 ? 1 : 0);
  }
  await seeLocked(screen, client, workflow, url);
}

/** From the list of workflows to the canvas of a new one. */
export async function addWorkflow(screen, client, title, mode) {
  const { page } = screen;
  await screen.goto(CLIENTS[client].list);
  await screen.click(page.getByRole('button', { name: 'Add new' }).first());
  const { drawer } = screen;
  await drawer.getByRole('textbox').first().fill(title);
  await screen.click(drawer.locator('.ant-select').first());
  await screen.click(page.locator('.ant-select-item-option').filter({ hasText: 'Webhook event' }));
  await screen.click(drawer.getByText(mode, { exact: true }));
  await screen.picture('new-workflow', drawer);
  await screen.submit();
  await screen.click(page.locator('tr', { hasText: title }).getByText('Configure'));
  await screen.card('Trigger').waitFor();
}

async function parseBody(screen) {
  const drawer = await screen.openCard();
  const example = drawer.getByPlaceholder('Paste an example in JSON');
  const broken = '{\n  "person": {"age": 36,}\n}';
  await example.fill(broken);
  // A body that is broken is told at its line, and stays. This and deleting a row are not counted.
  const parse = drawer.getByRole('button', { name: 'Parse' }).last();
  await parse.click();
  await drawer.getByText('This is not JSON: see line 2, column 24.').waitFor();
  assert.equal(await example.inputValue(), broken);
  await example.fill(JSON.stringify(SIGN_UP, null, 2));
  await screen.click(parse);
  const paths = await drawer
    .getByPlaceholder('Path', { exact: true })
    .evaluateAll((all) => all.map((one) => one.value));
  assert.deepEqual(paths, [
    'person',
    'person.name',
    'person.email',
    'person.age',
    'topics',
    'topics[0]',
    'topics[0].name',
    'note',
  ]);
  await drawer.getByPlaceholder('Alias').nth(6).fill('First topic');
  await drawer.getByRole('button', { name: 'Delete' }).last().click();
  await example.evaluate((area) => area.scrollTo(0, 0));
  await screen.picture('parsed', drawer);
  await screen.submit();
}

async function addCondition(screen) {
  const { page } = screen;
  await screen.addNode('Condition', 0);
  await screen.click(page.getByText('Branch into'));
  await screen.click(page.getByRole('button', { name: 'Submit' }).last());
  const drawer = await screen.openCard('Condition');
  await screen.click(drawer.getByText('Math.js'));
  await screen.pick(drawer.getByRole('button', { name: 'x', exact: true }), ['Body', 'person.age']);
  await page.keyboard.insertText(' >= 18');
  await screen.picture('condition', drawer);
  await screen.submit();
}

/** In the branch "Yes"; tells how many clicks that took. */
async function addRecord(screen) {
  const { page } = screen;
  const clicksBefore = screen.clicks;
  await screen.addNode('Create record', 2);
  await screen.click(page.locator('.ant-modal-content:visible .ant-select').last());
  for (const label of ['Main', 'Users'])
    await screen.click(page.locator('.ant-cascader-menu-item:visible', { hasText: label }).first());
  await screen.click(page.getByRole('button', { name: 'Submit' }).last());
  const drawer = await screen.openCard('Create record');
  for (const [field, path] of Object.entries({ Nickname: 'person.name', Email: 'person.email' })) {
    await screen.click(drawer.getByRole('button', { name: 'Add field' }));
    await screen.click(page.locator('.ant-dropdown-menu-item:visible', { hasText: field }));
    const item = drawer.locator('.ant-form-item', { has: page.locator(`label[title="${field}"]`) }).last();
    await screen.pick(item.getByRole('button', { name: 'x', exact: true }), ['Body', path]);
  }
  await screen.picture('record', drawer);
  await screen.submit();
  return screen.clicks - clicksBefore;
}

async function addResponses(screen, indexOfYes) {
  const { page } = screen;
  await screen.addNode('Response', 1);
  await screen.card('Response').waitFor();
  const refusal = await screen.openCard('Response');
  const status = refusal
    .locator('.ant-form-item', { hasText: 'Status code' })
    .locator('[contenteditable], input')
    .first();
  await status.focus();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText('422');
  await screen.type(refusal.getByLabel('Response body'), '"{{$context.body.person_name}} is too young"');
  await screen.submit();
  await screen.addNode('Response', indexOfYes);
  await screen.card('Response', 1).waitFor();
  const acceptance = await screen.openCard('Response', 1);
  const body = acceptance.getByLabel('Response body');
  await screen.type(body, '{"welcome": ');
  const button = acceptance
    .locator('.ant-form-item', { hasText: 'Response body' })
    .getByRole('button', { name: 'x', exact: true });
  await screen.pick(button.last(), ['Body', 'person.name']);
  // NocoBase leaves the variable selected.
  await body.press('Control+End');
  await screen.type(body, ', "topic": {{$context.body.topics_0_name}}}');
  await screen.picture('response', acceptance);
  await screen.submit();
  await screen.picture('canvas');
}

async function copyUrl(screen) {
  await screen.click(screen.drawer.locator('.sidehook-url').getByRole('button').first());
  return screen.page.evaluate(() => navigator.clipboard.readText());
}

/** Of the two response nodes, the nth one has a job. */
async function seeBranch(screen, client, id, nth) {
  await screen.goto(`${CLIENTS[client].workflow}/executions/${id}`);
  await screen.card('Response', 1).waitFor();
  const ran = (index) => screen.card('Response', index).locator('.ant-btn-circle:not([disabled]) .ant-tag');
  await ran(nth).waitFor();
  assert.equal(await ran(1 - nth).count(), 0);
  if (nth === 1) await screen.picture('execution');
}

/** A version that has run: its fields cannot be changed, its URL can be copied. */
async function seeLocked(screen, client, workflow, url) {
  await screen.goto(`${CLIENTS[client].workflow}/workflows/${workflow.id}`);
  const drawer = await screen.openCard();
  await drawer.getByText('This version has run and is locked').waitFor();
  const fields = drawer.locator('.ant-form input, .ant-form textarea, .ant-form .ant-btn');
  assert.equal(await fields.and(screen.page.locator(':not([disabled])')).count(), 0);
  await screen.page.evaluate(() => navigator.clipboard.writeText(''));
  assert.equal(await copyUrl(screen), url);
  await screen.close();
}
