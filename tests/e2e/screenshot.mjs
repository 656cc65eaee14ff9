// Lets sidehook run a workflow a few times, then opens NocoBase's list of its executions in a browser, checks that
// each of them is there, and takes a picture.

import { chromium } from 'playwright-core';
import { connect, signIn, sleep } from './nocobase.mjs';

const [file] = process.argv.slice(2);
const { NB_URL, SH_URL, CHROMIUM } = process.env;
const TITLE = 'Order received';
const AMOUNTS = [120, 80, -5, 310, 15];

const api = await signIn();
const workflow = await createWorkflow();
for (const amount of AMOUNTS) {
  const response = await fetch(`${SH_URL}/api/webhook:trigger/${workflow.key}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ order: { id: 7, amount } }),
  });
  console.log(amount, response.status, await response.text());
  await sleep(1000);
}
const { data: executions } = await api.get('executions:list', {
  filter: JSON.stringify({ workflowId: workflow.id }),
  sort: '-id',
});

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 620 },
    locale: 'en-US',
    timezoneId: 'UTC',
  });
  await context.addInitScript((token) => {
    const settings = { TOKEN: token, AUTH: 'basic', LOCALE: 'en-US', ROLE: 'root' };
    for (const [name, value] of Object.entries(settings)) localStorage.setItem(`NOCOBASE_${name}`, value);
  }, api.token);
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error('in the page:', error.message.slice(0, 200)));
  await page.goto(`${NB_URL}/admin/settings/workflow`, { waitUntil: 'domcontentloaded' });
  const row = page.locator('tr', { hasText: TITLE }).first();
  await row.waitFor({ timeout: 90_000 });
  const label = await row.innerText();
  if (!label.includes('Webhook event')) throw new Error(`the list does not know the trigger: ${label}`);
  await row.locator('a').filter({ hasText: /^\d+$/ }).first().click();
  for (const { id } of executions) await page.getByText(String(id)).first().waitFor({ timeout: 30_000 });
  await sleep(1500);
  await page.screenshot({ path: file });
  console.log(`${executions.length} executions are listed; ${file}`);

  // The canvas has to know both types.
  await page.goto(`${NB_URL}/admin/settings/workflow/executions/${executions[0].id}`, {
    waitUntil: 'domcontentloaded',
  });
  for (const text of ['Webhook event', 'Response'])
    await page.getByText(text).first().waitFor({ timeout: 60_000 });
  await sleep(1500);
  if (process.env.CANVAS) await page.screenshot({ path: process.env.CANVAS });
} finally {
  await browser.close();
}

async function createWorkflow() {
  const database = await connect();
  await database.query(
    'DELETE FROM executions WHERE "workflowId" IN (SELECT id FROM workflows WHERE title = $1)',
    [TITLE],
  );
  const { rows } = await database.query('SELECT id FROM workflows WHERE title = $1', [TITLE]);
  await database.end();
  for (const { id } of rows) await api.post('workflows:destroy', undefined, { filterByTk: id });
  const config = { request: { body: [{ key: 'order.id' }, { key: 'order.amount', _var: 'amount' }] } };
  const { data } = await api.post('workflows:create', {
    title: TITLE,
    type: 'webhook',
    sync: true,
    config,
    options: { timeout: 0 },
    enabled: false,
  });
  const node = async (values) => (await api.post(`workflows/${data.id}/nodes:create`, values)).data;
  const calculation = {
    group: { type: 'and', calculations: [{ calculator: 'gt', operands: ['{{$context.body.amount}}', 0] }] },
  };
  const check = await node({
    type: 'condition',
    title: 'Amount is positive',
    upstreamId: null,
    config: { engine: 'basic', rejectOnFalse: true, calculation },
  });
  await node({
    type: 'response',
    title: 'Answer the shop',
    upstreamId: check.id,
    config: { statusCode: 201, body: { accepted: '{{$context.body.amount}}' } },
  });
  await api.post('workflows:update', { enabled: true }, { filterByTk: data.id });
  return data;
}
