import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { duration, LocalWebhook } from '../src/server/local';
import type { Execution, FlowNode, Processor, Workflow, WorkflowPlugin } from '../src/server/nocobase';
import { ResponseInstruction } from '../src/server/response';
import { send } from '../src/server/send';
import { serve } from './http';

interface Setup {
  workflow?: Partial<Workflow>;
  /** The node that the workflow runs; none when absent. */
  node?: FlowNode['config'];
  /** How the execution ends at first, and later. */
  status?: number;
  later?: number | null;
  syncTimeout?: string;
  /** Whether one of the execution's jobs is pending. */
  isPending?: boolean;
}

/** A NocoBase of one workflow, with the plugin's own node and trigger. */
async function start({ workflow, node, status = 1, later = 1, syncTimeout = '1s', isPending = true }: Setup) {
  const events: { context: unknown; jobs: Record<string, unknown>[] }[] = [];
  const instruction = new ResponseInstruction();
  const model = {
    id: 1,
    key: 'k',
    type: 'webhook',
    sync: true,
    enabled: true,
    config: { request: { body: [{ key: 'a' }] } },
    ...workflow,
  };
  const plugin = {
    enabledCache: new Map([[1, model]]),
    functions: { getEntities: () => [['two', () => 2]] },
    async trigger(_: Workflow, context: object, options: Processor['options'] = {}) {
      const jobs: Record<string, unknown>[] = [];
      events.push({ context, jobs });
      const processor: Processor = {
        execution: { id: 7, workflowId: 1, status } as Execution,
        options,
        getParsedValue: (value) => (value === '{{nothing}}' ? undefined : value),
        saveJob: (job) => {
          jobs.push(job);
          return { id: 9, result: job.result };
        },
        exit: async () => undefined,
      };
      if (node) await instruction.run({ id: 5, key: 'r', config: node }, { id: 3 }, processor);
      return processor;
    },
  } as unknown as WorkflowPlugin;
  const execution = later === null ? null : { id: 7, status: later };
  const job = (status: number) =>
    status === 0 ? (isPending ? { id: 9 } : null) : { result: { statusCode: 202 } };
  const repository = (name: string) => ({
    findOne: async ({ filter }: { filter: { status: number } }) =>
      name === 'executions' ? execution : job(filter.status),
  });
  const app = { environment: { getVariables: () => ({}) }, db: { getRepository: repository } };
  const parse = (value: unknown) => (scope: any) => (value === '{{a}}' ? scope.$context.body.a : value);
  const lines: string[] = [];
  const local = new LocalWebhook({
    app: app as never,
    log: { warn: (line) => void lines.push(line) },
    workflow: plugin,
    instruction,
    parse,
    bodyLimit: '1kb',
    syncTimeout,
  });
  const url = await serve(async (request, response) => send(response, await local.handle('k', request)));
  return { url, events, lines };
}

const post = (url: URL, body: unknown = { a: 1, b: 2 }, headers = {}) =>
  fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });

test('answers what the response node says, and records it', async () => {
  const { url, events } = await start({
    node: { statusCode: 201, headers: [{ name: 'X-A', value: 'b' }], body: { ok: true } },
  });
  const response = await post(url);
  expect([response.status, response.headers.get('x-a'), await response.json()]).toEqual([
    201,
    'b',
    { ok: true },
  ]);
  const result = { statusCode: 201, headers: [{ name: 'X-A', value: 'b' }], body: { ok: true } };
  const job = { status: 1, result, nodeId: 5, nodeKey: 'r', upstreamId: 3 };
  expect(events).toEqual([{ context: { headers: {}, query: {}, body: { a: 1 } }, jobs: [job] }]);
});

test('a response node has defaults, and no body where there is none', async () => {
  const { url, events } = await start({ node: { statusCode: '{{nothing}}', body: '{{nothing}}' } });
  const response = await post(url);
  expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
    200,
    null,
    '',
  ]);
  expect(JSON.stringify(events[0]?.jobs[0]?.result)).toBe('{"statusCode":200,"headers":[]}');
});

test('without a response node the end of the execution counts', async () => {
  expect((await post((await start({ status: 1 })).url)).status).toBe(200);
  expect((await post((await start({ status: -1 })).url)).status).toBe(500);
});

test('waits for an execution that has to wait', async () => {
  expect((await post((await start({ status: 0 })).url)).status).toBe(202);
  expect((await post((await start({ status: 0, later: 0, syncTimeout: '200ms' })).url)).status).toBe(408);
  const workflow = { options: { deleteExecutionOnStatus: [1] } };
  expect((await post((await start({ status: 0, later: null, workflow })).url)).status).toBe(200);
});

test('does not wait for an execution that NocoBase has left open', async () => {
  const { url } = await start({ status: 0, later: 0, syncTimeout: '60s', isPending: false });
  expect((await post(url)).status).toBe(500);
});

test('an asynchronous workflow answers what is configured', async () => {
  const ok = await post((await start({ workflow: { sync: false } })).url);
  expect([ok.status, await ok.text()]).toEqual([200, 'ok']);
  const config = { request: { body: [{ key: 'a' }] }, response: { statusCode: 202, body: '{{a}}' } };
  const configured = await post((await start({ workflow: { sync: false, config } })).url);
  expect([configured.status, await configured.json()]).toEqual([202, 1]);
});

test.each([
  ['an unknown key', { workflow: { key: 'other' } }, {}, 404],
  ['a disabled workflow', { workflow: { enabled: false } }, {}, 404],
  ['another method', {}, { method: 'PUT' }, 405],
  ['a large body', {}, { body: 'x'.repeat(1025) }, 413],
  ['broken JSON', {}, { body: '{', headers: { 'content-type': 'application/json' } }, 400],
  ['an unknown coding', {}, { body: 'x', headers: { 'content-encoding': 'compress' } }, 415],
  ['five codings', {}, { body: 'x', headers: { 'content-encoding': 'gzip,gzip,gzip,gzip,gzip' } }, 415],
  ['a broken coding', {}, { body: 'x', headers: { 'content-encoding': 'gzip' } }, 400],
  ['a bomb', {}, { body: gzipSync('x'.repeat(1025)), headers: { 'content-encoding': 'gzip' } }, 413],
  ['a broken form', {}, { body: 'x', headers: { 'content-type': 'multipart/form-data' } }, 400],
])('refuses %s', async (_, setup, request, status) => {
  const { url, events } = await start(setup);
  const response = await fetch(url, { method: 'POST', ...request });
  expect(response.status).toBe(status);
  expect(((await response.json()) as { errors: { message: string }[] }).errors[0]?.message).toBeTruthy();
  expect(events).toEqual([]);
});

test('lets nobody in where only sidehook keeps to the settings, and says so once', async () => {
  for (const sidehook of [
    { signature: { scheme: 'github', secret: 's' } },
    { methods: ['GET'] },
    { later: 1 },
  ]) {
    const { url, events, lines } = await start({ workflow: { config: { sidehook } } });
    for (let round = 0; round < 2; round++) expect((await post(url)).status).toBe(503);
    expect(events).toEqual([]);
    expect(lines).toEqual([expect.stringContaining('SIDEHOOK_URL')]);
  }
  const { url, lines } = await start({
    workflow: { config: { sidehook: { context: 'full', path: 'a/:b' } } },
  });
  expect([(await post(url)).status, lines]).toEqual([200, []]);
});

test('refuses a body that turns out to be too large', async () => {
  const { url } = await start({});
  const body = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 4; i++) controller.enqueue(new Uint8Array(600));
      controller.close();
    },
  });
  const response = await fetch(url, { method: 'POST', body, duplex: 'half' } as RequestInit);
  expect(response.status).toBe(413);
});

test('unpacks bodies, and takes those of any type', async () => {
  const { url, events } = await start({ workflow: { config: {} } });
  const json = Buffer.from('{"a":1}');
  const packed: [string, Buffer][] = [
    ['gzip', gzipSync(json)],
    ['X-Gzip', gzipSync(json)],
    ['deflate', deflateSync(json)],
    ['deflate', deflateRawSync(json)],
    ['br', brotliCompressSync(json)],
    ['identity', json],
    ['gzip, br', brotliCompressSync(gzipSync(json))],
  ];
  for (const [coding, body] of packed) {
    const headers = { 'content-encoding': coding, 'content-type': 'application/json' };
    expect((await fetch(url, { method: 'POST', body: new Uint8Array(body), headers })).status, coding).toBe(
      200,
    );
  }
  const headers = { 'content-type': 'image/png', 'content-encoding': 'gzip' };
  await fetch(url, { method: 'POST', body: gzipSync('png'), headers });
  await fetch(url, {
    method: 'POST',
    body: '{"a":1}\n\n2\r\n',
    headers: { 'content-type': 'application/x-ndjson' },
  });
  const data = events.map(({ context }) => (context as { data: unknown }).data);
  expect(data).toEqual([
    ...packed.map(() => ({ a: 1 })),
    { contentType: 'image/png', size: 3, base64: 'cG5n' },
    [{ a: 1 }, 2],
  ]);
});

test('asks for the configured credentials', async () => {
  const config = { basicAuthentication: { username: 'alice', password: 'a:b' } };
  const { url } = await start({ workflow: { config } });
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
  const refused = await post(url);
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
    401,
    'Basic realm="webhook", charset="UTF-8"',
  ]);
  for (const wrong of ['alice:x', 'bob:a:b', 'alice', ''])
    expect((await post(url, {}, basic(wrong))).status).toBe(401);
  expect((await post(url, {}, basic('alice:a:b'))).status).toBe(200);
});

test('reads forms and texts', async () => {
  const config = { request: { body: [{ key: 'f.x' }, { key: 'file' }, { key: 'several' }] } };
  const { url, events } = await start({ workflow: { config } });
  await fetch(url, { method: 'POST', body: new URLSearchParams({ 'f[x]': '1', several: 'a' }) });
  const form = new FormData();
  form.set('file', new Blob(['ab'], { type: 'text/css' }), 'ä.css');
  form.append('several', '1');
  form.append('several', '2');
  await fetch(url, { method: 'POST', body: form });
  expect(events.map(({ context }) => (context as { body: unknown }).body)).toEqual([
    { 'f.x': '1', several: 'a' },
    { file: { filename: 'ä.css', contentType: 'text/css', size: 2, base64: 'YWI=' }, several: ['1', '2'] },
  ]);
});

test.each([
  ['5m', 300_000],
  ['20s', 20_000],
  ['1.5', 1500],
  ['500ms', 500],
  ['', 300_000],
  ['soon', 300_000],
])('%s lasts %d ms', (text, ms) => {
  expect(duration(text)).toBe(ms);
});
