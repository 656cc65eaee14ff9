// An asynchronous workflow, made by hand on NocoBase's screens: it answers at once, and is run by hand too.

import assert from 'node:assert/strict';
import { addWorkflow } from './form-service.mjs';
import { call, executionsOf, find, until } from './workflows.mjs';

const { NB_URL, SH_URL } = process.env;

/** An asynchronous workflow: a header as a variable, an answer at once, and a run by hand. */
export async function answerAtOnce(api, screen, client) {
  const title = `Notifications ${client}`;
  await addWorkflow(screen, client, title, 'Asynchronously');
  const drawer = await screen.openCard();
  const values = { user: 'shop', password: 'secret' };
  await screen.click(drawer.getByRole('switch', { name: 'Basic authentication' }));
  await screen.click(drawer.getByRole('button', { name: 'Submit' }));
  await drawer.getByText('Basic authentication needs a user name and a password.').waitFor();
  await drawer.getByPlaceholder('User name').fill(values.user);
  await drawer.getByPlaceholder('Password').fill(values.password);
  await screen.click(drawer.getByRole('button', { name: 'Add header' }).first());
  await drawer.getByPlaceholder('Header name').first().fill('X-Event');
  await drawer
    .getByPlaceholder('Paste a URL or a query string')
    .fill('https://shop.example/?tags[]=a&page[number]=1');
  await screen.click(drawer.getByRole('button', { name: 'Parse' }).first());
  await screen.type(
    drawer.locator('.ant-form-item', { hasText: 'Status code' }).locator('[contenteditable], input').first(),
    '202',
  );
  await screen.click(drawer.getByRole('button', { name: 'Add header' }).last());
  const name = drawer.getByPlaceholder('Header name').last();
  await name.fill('X-Queue');
  await screen.type(name.locator('xpath=following-sibling::div').locator('[contenteditable]'), 'orders');
  await screen.type(drawer.getByLabel('Response body'), 'Queued: {{$context.headers.X-Event}}');
  await screen.submit();
  await screen.click(screen.page.getByRole('switch').first());
  const workflow = await until('the workflow is enabled', () => find(api, title, { enabled: true }));
  assert.deepEqual(workflow.config, {
    basicAuthentication: { username: 'shop', password: 'secret' },
    request: {
      headers: [{ key: 'X-Event' }],
      query: [
        { key: 'tags' },
        { key: 'tags[0]', _var: 'tags_0' },
        { key: 'page' },
        { key: 'page.number', _var: 'page_number' },
      ],
    },
    response: {
      statusCode: 202,
      headers: [{ name: 'X-Queue', value: 'orders' }],
      body: 'Queued: {{$context.headers.X-Event}}',
    },
  });
  const path = `/api/webhook:trigger/${workflow.key}?page[number]=3`;
  const headers = { 'x-event': 'paid', authorization: `Basic ${btoa('shop:secret')}` };
  for (const origin of [NB_URL, SH_URL]) {
    assert.equal((await call(origin + path, {}))[0], 401);
    assert.deepEqual(await call(origin + path, {}, headers), [202, 'Queued: paid', 'orders']);
  }
  const context = {
    headers: { 'X-Event': 'paid' },
    query: { page: { number: '3' }, page_number: '3' },
    body: {},
  };
  const executions = await until('two executions', async () => {
    const found = await executionsOf(api, workflow);
    return found.length === 2 && found;
  });
  for (const { id } of executions) {
    assert.deepEqual((await api.get('executions:get', { filterByTk: id })).data.context, context);
  }
  await runByHand(api, screen, workflow);
}

async function runByHand(api, screen, workflow) {
  const { page } = screen;
  await page.reload();
  await screen.click(page.getByRole('button', { name: 'Execute manually' }));
  const headers = page.getByLabel('Headers').last();
  await headers.waitFor();
  assert.deepEqual(JSON.parse(await headers.inputValue()), { 'X-Event': 'string' });
  assert.deepEqual(JSON.parse(await page.getByLabel('Query parameters').last().inputValue()), {
    tags: ['string'],
    tags_0: 'string',
    page: { number: 'string' },
    page_number: 'string',
  });
  await headers.fill('{"X-Event": ');
  await screen.click(page.getByRole('button', { name: 'Confirm' }));
  await page.getByText('This is not JSON: see line 1, column 13.').waitFor();
  await headers.fill('{"X-Event": "by hand"}');
  await screen.click(page.getByRole('button', { name: 'Confirm' }));
  await until('the execution by hand', async () => {
    const { data } = await api.get('executions:list', {
      filter: JSON.stringify({ key: workflow.key, manually: true }),
    });
    const execution = data.length && (await api.get('executions:get', { filterByTk: data[0].id })).data;
    return execution && execution.context.headers['X-Event'] === 'by hand';
  });
}
