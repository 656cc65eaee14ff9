// The page "Examples": every example is imported by a click in either client, switched on, and answers its lines as its
// file says. A file that is uploaded is imported like them, and a key that is taken is refused.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { CLIENTS, inBrowser, pageOf } from './browser.mjs';
import { signIn } from './nocobase.mjs';
import { until } from './workflows.mjs';

const { ROOT, SH_URL } = process.env;
const WRITTEN_FOR = 'http://127.0.0.1:13080';
/** Its requests go to a host that is not there. */
const WITHOUT_LINES = 'fan-out';

const files = readdirSync(`${ROOT}/examples`).filter((name) => name.endsWith('.json'));
const examples = files.map((name) => JSON.parse(readFileSync(`${ROOT}/examples/${name}`, 'utf8')));
const api = await signIn();
await removeAll();
try {
  await inBrowser(api.token, async (screen) => {
    for (const client of Object.keys(CLIENTS)) {
      screen.hasPictures = client === 'classic';
      await seeAll(screen, client);
      await seeUpload(screen, client);
      assert.deepEqual(screen.faults, []);
      console.log(`${client}: passed`);
    }
  });
} finally {
  await removeAll();
}

async function seeAll(screen, client) {
  const { page } = screen;
  await screen.goto(pageOf(client, 'examples'));
  const rows = page.locator('.sidehook-examples tr.ant-table-row');
  await rows.first().waitFor();
  assert.equal(await rows.count(), examples.length);
  // What people come for most stands first.
  const place = async (title) => (await page.getByText(title, { exact: true }).last().boundingBox()).x;
  assert.ok((await place('Request log')) < (await place('Examples')));
  for (const example of examples) {
    await screen.click(
      rows.filter({ hasText: example.title }).getByRole('button', { name: 'Import', exact: true }),
    );
    const workflow = await until(`${example.key} is imported`, () => find(example.key));
    assert.equal(workflow.enabled, false);
    assert.equal(workflow.sync, Boolean(example.sync));
    await page.locator(`.sidehook-examples a[href$="/workflows/${workflow.id}"]`).waitFor();
    await api.post('workflows:update', { enabled: true }, { filterByTk: workflow.id });
    if (example.key !== WITHOUT_LINES) await answersAsItSays(example);
  }
  await screen.picture('examples');
  // The canvas has all of its nodes.
  await screen.click(page.getByRole('link', { name: 'Open the workflow' }));
  await screen.card('Trigger').waitFor();
  await screen.card('Query record').waitFor();
  await removeAll();
}

async function answersAsItSays({ key, try: attempts }) {
  // GET is not allowed where there is a webhook.
  const url = `${SH_URL}/api/webhook:trigger/${key}`;
  await until(`${key} is served`, async () => (await fetch(url)).status !== 404);
  for (const { run, status, body } of attempts) {
    const line = run.replace(WRITTEN_FOR, SH_URL).replace('curl -i', 'curl -isS');
    const output = execFileSync('sh', ['-c', line], { encoding: 'utf8' });
    const [head, text] = output.split('\r\n\r\n');
    assert.equal(Number(head.split(' ')[1]), status, `${line}\n${output}`);
    // The ids of records are NocoBase's to give.
    if (body !== undefined && !body.id) assert.deepEqual(parsed(text), body, line);
  }
}

/** From a file: once it is imported, once its key is taken, and one that is none. */
async function seeUpload(screen, client) {
  const { page } = screen;
  await screen.goto(pageOf(client, 'examples'));
  const input = page.locator('.sidehook-examples input[type=file]');
  const told = page.locator('.sidehook-examples .ant-alert');
  const file = { ...examples[0], key: `uploaded-${client}` };
  const upload = (content) =>
    input.setInputFiles({ name: 'file.json', mimeType: 'application/json', buffer: Buffer.from(content) });
  await input.waitFor({ state: 'attached' });
  await upload(JSON.stringify(file));
  await told.filter({ hasText: 'It is imported and switched off' }).waitFor();
  await upload(JSON.stringify(file));
  await told.filter({ hasText: `There is a workflow with the key ${file.key} already.` }).waitFor();
  await upload(JSON.stringify({ ...file, key: 'other', sinc: true }));
  await told.filter({ hasText: 'It cannot be imported: "sinc" is not known.' }).waitFor();
  await upload('{');
  await told.filter({ hasText: 'It cannot be imported: ' }).filter({ hasText: 'JSON' }).waitFor();
}

async function find(key) {
  return (await api.get('workflows:list', { filter: JSON.stringify({ key }) })).data[0];
}

async function removeAll() {
  const keys = [
    ...examples.map(({ key }) => key),
    ...Object.keys(CLIENTS).map((client) => `uploaded-${client}`),
  ];
  const filter = JSON.stringify({ key: { $in: keys } });
  for (const { id } of (await api.get('workflows:list', { filter })).data) {
    await api.post('workflows:destroy', undefined, { filterByTk: id });
  }
  const names = [...new Set(examples.flatMap(({ collections = [] }) => collections.map(({ name }) => name)))];
  for (const name of names)
    await api.post('collections:destroy', undefined, { filterByTk: name }).catch(() => {});
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
