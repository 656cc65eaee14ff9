import { afterEach, expect, test, vi } from 'vitest';
import PluginSidehook from '../src/server/index';
import { read, serve } from './http';

afterEach(() => vi.unstubAllEnvs());

/** A NocoBase whose workflow plugin has these types already. */
function nocobase({ triggers = [] as string[], instructions = [] as string[], name = 'main' } = {}) {
  const lines: string[] = [];
  const line = (text: string) => void lines.push(text);
  const registry = (types: string[]) => new Map<string, any>(types.map((type) => [type, { type }]));
  const workflow = {
    triggers: registry(triggers),
    instructions: registry(instructions),
    functions: { getEntities: () => [] },
    enabledCache: new Map(),
    dispatcher: {
      resolveTask: async () => 'done',
      acquireExecution: async () => null,
      enter: async () => null,
    },
    registerTrigger: (type: string, trigger: object) => void workflow.triggers.set(type, trigger),
    registerInstruction: (type: string, node: object) => void workflow.instructions.set(type, node),
    recover: vi.fn(async () => {}),
  };
  const uses: { middleware: (ctx: any, next: () => Promise<void>) => Promise<void>; options: object }[] = [];
  const resources: {
    name: string;
    actions: Record<string, (ctx: any, next: () => Promise<void>) => Promise<void>>;
  }[] = [];
  const snippets: { name: string; actions: string[] }[] = [];
  const listeners: (() => void)[] = [];
  const sequelize = {
    query: async (sql: string) => {
      if (sql.includes('sidehook_requests')) throw new Error('no such table');
      return [];
    },
    getQueryInterface: () => ({ quoteIdentifier: (text: string) => text, tableExists: async () => false }),
  };
  const app = {
    name,
    db: { options: { dialect: 'sqlite' }, sequelize },
    log: { info: line, warn: line, error: line },
    environment: { getVariables: () => ({}) },
    pm: { get: () => workflow },
    acl: { registerSnippet: (snippet: (typeof snippets)[0]) => void snippets.push(snippet) },
    on: (_: string, listener: () => void) => void listeners.push(listener),
    use: (middleware: (typeof uses)[0]['middleware'], options: object) =>
      void uses.push({ middleware, options }),
    resourceManager: { define: (resource: (typeof resources)[0]) => void resources.push(resource) },
  };
  const start = async () => {
    await new (PluginSidehook as unknown as new (app: object) => PluginSidehook)(app).load();
    listeners.forEach((listener) => listener());
    const act = async (action: string, params = {}, method = 'POST') => {
      const req = { headers: { host: 'nocobase.example' }, socket: {} };
      const fail = (status: number, message: string) => {
        throw new Error(`${status}: ${message}`);
      };
      const ctx: Record<string, any> = { action: { params }, method, req, throw: fail };
      await resources[0]!.actions[action]!(ctx, async () => {});
      return ctx.body;
    };
    const url = await serve(async (req, res) => {
      const ctx = { path: req.url!.split('?')[0], req, res };
      await uses[0]!.middleware(ctx, async () => void res.end('next'));
    });
    return { act, url, actions: Object.keys(resources[0]!.actions) };
  };
  return { start, workflow, lines, uses, snippets };
}

test('registers both types once all plugins have loaded, and comes before the body parser', async () => {
  const { start, workflow, lines, uses } = nocobase();
  const { act } = await start();
  expect(workflow.triggers.get('webhook').validateConfig({ request: [] })).toEqual({
    request: expect.any(String),
  });
  expect(workflow.instructions.get('response').isAvailable({ type: 'webhook' })).toBe(true);
  expect(uses[0]!.options).toMatchObject({ before: 'bodyParser' });
  expect(lines).toEqual([]);
  expect(await act('status')).toEqual({
    url: null,
    reachable: null,
    version: null,
    error: null,
    instances: [],
    backlog: { running: 0, waiting: 0, sleeping: 0, waitingSince: null },
    registered: { trigger: true, response: true },
    guard: true,
    health: null,
    obstacle: 'url',
  });
});

test('steps aside where another plugin has registered the types, and says so', async () => {
  const { start, workflow, lines } = nocobase({ triggers: ['webhook'], instructions: ['response'] });
  const { act, url } = await start();
  expect(workflow.triggers.get('webhook')).toEqual({ type: 'webhook' });
  expect(workflow.instructions.get('response')).toEqual({ type: 'response' });
  expect(lines).toEqual([expect.stringContaining('"webhook"'), expect.stringContaining('"response"')]);
  expect((await act('status')).registered).toEqual({ trigger: false, response: false });
  // Its webhooks are the other plugin's.
  expect(await (await fetch(new URL('/api/webhooks/k', url), { method: 'POST' })).text()).toBe('next');
});

test('answers webhooks itself where no sidehook is configured, and leaves other URLs alone', async () => {
  const { url } = await nocobase().start();
  expect((await fetch(new URL('/api/webhooks/k', url), { method: 'POST' })).status).toBe(404);
  expect(await (await fetch(new URL('/api/users:list', url))).text()).toBe('next');
});

test('hands webhooks on where a sidehook is configured', async () => {
  const upstream = await serve(async (request, response) =>
    response.end(`${request.url} ${await read(request)}`),
  );
  vi.stubEnv('SIDEHOOK_URL', upstream.href);
  vi.stubEnv('API_BASE_PATH', '/x/');
  const { act, url } = await nocobase().start();
  const response = await fetch(new URL('/x/webhook:trigger/k?a', url), { method: 'POST', body: 'b' });
  expect(await response.text()).toBe('/x/webhook:trigger/k?a b');
  expect(await act('status')).toMatchObject({ url: upstream.href, reachable: true });
  // sidehook does not serve the databases of other applications.
  const { url: other } = await nocobase({ name: 'other' }).start();
  expect((await fetch(new URL('/x/webhooks/k', other), { method: 'POST' })).status).toBe(404);
});

test('says what is wrong with a URL, and that nobody answers there', async () => {
  vi.stubEnv('SIDEHOOK_URL', 'ftp://127.0.0.1');
  const wrong = nocobase();
  await wrong.start();
  expect(wrong.lines[0]).toContain('SIDEHOOK_URL');
  vi.stubEnv('SIDEHOOK_URL', 'http://user:secret@127.0.0.1:1/base');
  const { act } = await nocobase().start();
  expect(await act('status')).toMatchObject({
    url: 'http://127.0.0.1:1/base',
    reachable: false,
    error: expect.any(String),
  });
});

test('starts what is queued through NocoBase itself', async () => {
  const { start, workflow } = nocobase();
  const { act } = await start();
  expect(await act('recover')).toEqual({ recovered: true });
  expect(workflow.recover).toHaveBeenCalledOnce();
});

test('every action is for those who have the permission for it, and null says that there is no log', async () => {
  const { start, snippets } = nocobase();
  const { act, actions } = await start();
  expect(await act('requests')).toBeNull();
  expect(await act('requests', { filterByTk: '1' })).toBeNull();
  const of = (...names: string[]) => names.map((name) => `sidehook:${name}`);
  expect(snippets).toEqual([
    { name: 'pm.sidehook', actions: of('status', 'reach', 'recover') },
    {
      name: 'pm.sidehook.requests',
      actions: of('requests', 'webhooks', 'retention', 'retain', 'replay', 'listen'),
    },
    { name: 'pm.sidehook.examples', actions: of('examples', 'import') },
  ]);
  expect(snippets.flatMap((snippet) => snippet.actions).sort()).toEqual(of(...actions).sort());
});

test('what changes something has to be posted, with all that it needs', async () => {
  const { act } = await nocobase().start();
  for (const action of ['replay', 'listen', 'retain', 'recover'])
    await expect(act(action, { filterByTk: '1', key: 'k' }, 'GET')).rejects.toThrow(/^405: /);
  await expect(act('replay', { filterByTk: '1/../2' })).rejects.toThrow(/^400: /);
  await expect(act('listen', { seconds: '300' })).rejects.toThrow(/^400: /);
  expect(await act('replay', { filterByTk: '1' })).toEqual({ obstacle: 'url' });
});

test('the token stays on the server, and belongs to the sidehook of the main application', async () => {
  const asked: string[] = [];
  const sidehook = await serve((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? '–'}`);
    const health = { instances: [{ number: 0, silentMs: 20_400 }], features: ['replay'] };
    response.end(request.url === '/health/status' ? JSON.stringify(health) : 'ok');
  });
  vi.stubEnv('SIDEHOOK_URL', sidehook.href);
  expect((await (await nocobase().start()).act('status')).obstacle).toBe('token');
  vi.stubEnv('SIDEHOOK_STATUS_TOKEN', 'between us');
  const { act } = await nocobase().start();
  const status = await act('status');
  expect(status.health).toMatchObject({ features: ['replay'], errors: [], hour: [] });
  expect(JSON.stringify(status)).not.toContain('between us');
  expect(asked).toContain('GET /health/status Bearer between us');
  asked.length = 0;
  expect(await act('listen', { key: 'a/b', seconds: '9000' })).toEqual({ seconds: 300 });
  expect(await act('listen', { key: 'a/b' })).toEqual({ seconds: 0 });
  expect(asked.map((line) => line.split(' Bearer')[0])).toEqual([
    'PUT /requests/listening/a%2Fb',
    'DELETE /requests/listening/a%2Fb',
  ]);
  const other = await nocobase({ name: 'other' }).start();
  expect((await other.act('status')).obstacle).toBe('url');
});

test('says for how long requests are kept, where sidehook or settings that are for both say it', async () => {
  const kept = async () => (await nocobase().start()).act('retention', {}, 'GET');
  const untold = { seconds: null, unset: null, isSettable: false };
  expect(await kept()).toEqual({ ...untold, configured: null });
  vi.stubEnv('SIDEHOOK_REQUESTS_KEEP', '30d');
  expect(await kept()).toEqual({ ...untold, configured: '30d' });
  const health = { requestsKeptSeconds: 172_800, requestsKeptSecondsUnset: 604_800, features: ['retention'] };
  const sidehook = await serve((_, response) => response.end(JSON.stringify(health)));
  vi.stubEnv('SIDEHOOK_URL', sidehook.href);
  vi.stubEnv('SIDEHOOK_STATUS_TOKEN', 'between us');
  expect(await kept()).toEqual({ seconds: 172_800, unset: 604_800, isSettable: true, configured: '30d' });
});

test('somebody vouches for a request that was refused, or nobody does', async () => {
  const bodies: string[] = [];
  const sidehook = await serve(async (request, response) => {
    bodies.push(String(await read(request)));
    response.end('{"status":200}');
  });
  vi.stubEnv('SIDEHOOK_URL', sidehook.href);
  vi.stubEnv('SIDEHOOK_STATUS_TOKEN', 'between us');
  const { act } = await nocobase().start();
  for (const vouched of ['true', 'false', undefined]) await act('replay', { filterByTk: '1', vouched });
  expect(bodies).toEqual(['{"vouched":true}', '', '']);
});
