// The plugin's forms on NocoBase's screens, in both of its clients, as somebody goes through them who has never used
// an API. With `handed-on`: what they say when NocoBase hands webhooks on to sidehook.

import assert from 'node:assert/strict';
import { CLIENTS, inBrowser } from './browser.mjs';
import { answerByCondition } from './form-service.mjs';
import { signIn } from './nocobase.mjs';
import { answerAtOnce } from './notifications.mjs';
import { letInWhoSigns } from './security.mjs';
import { createWorkflow, until } from './workflows.mjs';

const { NB_URL, SH_URL, TARBALL } = process.env;
const CARD = 'Workflow: Webhook (sidehook)';

const EQUAL = { calculator: 'equal', operands: ['{{$context.body.id}}', 1] };

/** Members of `sidehook`: some that their fields show, and some that are shown as JSON. */
const SETTINGS = {
  methods: ['POST', 'PUT'],
  auth: { header: 'X-Key', value: ['{{$env.KEY}}', 'old'] },
  signature: {
    scheme: 'hmac',
    secrets: ['a'],
    header: 'X-Sign',
    signed: ['text:v0', 'body'],
    encoding: 'hex',
  },
  ipAllowlist: '10.0.0.0/8',
  rateLimit: { requests: 5, per: 60, by: { header: 'X-Key' } },
  bodyLimit: 1024,
  cors: { origins: '*', maxAge: '10m' },
  idempotency: { from: 'body:order.id', ttl: '1d', required: false },
  challenge: { type: 'meta', token: ['t', 'u'] },
  filter: {
    engine: 'basic',
    calculation: { group: { type: 'and', calculations: [{ group: { type: 'or', calculations: [EQUAL] } }] } },
    reply: { statusCode: 204, headers: [], body: null },
  },
  parse: [],
  rawBody: false,
  log: 'bodies',
};

let api = await signIn();
if (process.argv[2] === 'handed-on') {
  await inBrowser(api.token, async (screen) => {
    for (const client of Object.keys(CLIENTS)) await saysWhereItRuns(screen, client);
    assert.deepEqual(screen.faults, []);
  });
} else {
  await inBrowser(api.token, installPlugin);
  api = await signIn();
  await inBrowser(api.token, async (screen) => {
    for (const client of Object.keys(CLIENTS)) {
      screen.hasPictures = client === 'classic';
      await keepConfigurations(screen, client);
      await answerByCondition(api, screen, client);
      await answerAtOnce(api, screen, client);
      await letInWhoSigns(api, screen, client);
      assert.deepEqual(screen.faults, []);
      console.log(`${client}: passed`);
    }
  });
  await inBrowser(api.token, inChinese, { locale: 'zh-CN' });
}

/** Uploads the tarball in the plugin manager, which the newer client cannot, and switches the plugin on. */
async function installPlugin(screen) {
  const { page } = screen;
  screen.hasPictures = true;
  await screen.goto('/admin/settings/plugin-manager');
  await screen.click(screen.button('Add & Update'));
  await screen.click(page.getByText('Upload plugin'));
  await page.locator('input[type="file"]').setInputFiles(TARBALL);
  await page.getByText('sidehook-plugin-workflow-webhook.tgz').waitFor();
  await screen.picture('upload', page.locator('.ant-modal-content'));
  await screen.click(page.getByRole('button', { name: 'Submit' }));
  // NocoBase restarts twice.
  const find = async () => {
    const { data } = await api.get('pm:list').catch(() => ({}));
    return data?.find?.(({ packageName }) => packageName === '@sidehook/plugin-workflow-webhook');
  };
  await until('the plugin is there', find);
  await screen.goto('/admin/settings/plugin-manager');
  await page.getByPlaceholder('Search plugin').last().fill('sidehook');
  const card = page.locator(`[aria-label="${CARD}"]`).first();
  assert.match(await card.locator('a', { hasText: 'Docs' }).getAttribute('href'), /tutorial\.md$/);
  await screen.picture('card', card);
  await screen.click(card.locator('.ant-switch'));
  await until('the plugin is enabled', async () => (await find())?.enabled && (await isReady()));
  console.log(`installed with ${screen.clicks} clicks`);
}

/** Submitting a drawer in which nothing was touched changes nothing, not even members that no form knows. */
async function keepConfigurations(screen, client) {
  const full = {
    trigger: {
      basicAuthentication: { username: 'shop', password: 'secret' },
      request: {
        headers: [{ key: 'X-A' }],
        body: [{ key: 'order.id', _var: 'id', alias: 'Order', more: 1 }],
      },
      response: { statusCode: 202, headers: [{ name: 'X-B', value: '{{$context.body.id}}' }], body: ['ok'] },
      sidehook: { path: 'orders/:id', later: { a: [1] }, ...SETTINGS },
      unknown: true,
    },
    node: { statusCode: 201, headers: [{ name: 'X-B', value: 1 }], body: { a: null }, unknown: [{}] },
  };
  for (const { trigger, node } of [full, { trigger: {}, node: {} }]) {
    const workflow = await createWorkflow(api, { title: `Kept ${client}`, sync: true, config: trigger });
    const { data: answer } = await api.post(`workflows/${workflow.id}/nodes:create`, {
      type: 'response',
      title: 'Answer',
      upstreamId: null,
      config: node,
    });
    await screen.goto(`${CLIENTS[client].workflow}/workflows/${workflow.id}`);
    for (const type of ['Trigger', 'Response']) {
      const drawer = await screen.openCard(type);
      // Shown or not, what nobody touches stays.
      if (type === 'Trigger') await screen.click(drawer.getByText('Security and delivery'));
      await screen.submit();
    }
    const stored = {
      trigger: (await api.get('workflows:get', { filterByTk: workflow.id })).data.config,
      node: (await api.get('flow_nodes:get', { filterByTk: answer.id })).data.config,
    };
    await api.post('workflows:destroy', undefined, { filterByTk: workflow.id });
    assert.deepEqual(stored, { trigger, node });
  }
}

async function inChinese(screen) {
  await api.post('systemSettings:update', { enabledLanguages: ['en-US', 'zh-CN'] }, { filterByTk: 1 });
  const workflow = await createWorkflow(api, { title: '订单服务', sync: false, config: {} });
  for (const client of Object.keys(CLIENTS)) {
    screen.hasPictures = client === 'classic';
    await screen.goto(`${CLIENTS[client].workflow}/workflows/${workflow.id}`);
    await screen.click(screen.page.locator('.workflow-node-meta').first());
    const { drawer } = screen;
    await drawer.getByText('当其他系统调用此工作流的 URL 时触发。').waitFor();
    await screen.picture('chinese', drawer);
    await screen.click(drawer.getByText('安全与投递'));
    await screen.choose(drawer.locator('.sidehook-sender .ant-select'), 'GitHub');
    await screen.click(drawer.getByRole('button', { name: /^提\s?交$/ }));
    await drawer.getByText('secret: 缺少此项。').waitFor();
    assert.deepEqual(screen.faults, []);
    console.log(`${client}: zh-CN passed`);
  }
}

async function saysWhereItRuns(screen, client) {
  const workflow = await createWorkflow(api, { title: `Handed on ${client}`, sync: true, config: {} });
  await screen.goto(`${CLIENTS[client].workflow}/workflows/${workflow.id}`);
  const drawer = await screen.openCard();
  await drawer.getByText(`Calls are handed on to sidehook at ${SH_URL}/.`).waitFor();
  await screen.close();
  await screen.click(screen.page.getByRole('button', { name: 'Execute manually' }));
  await screen.page.getByText(`Calls of the URL are run by sidehook at ${SH_URL}/.`).waitFor();
  console.log(`${client}: says where it runs`);
}

async function isReady() {
  const response = await fetch(`${NB_URL}/api/__health_check`).catch(() => undefined);
  return response?.ok;
}
