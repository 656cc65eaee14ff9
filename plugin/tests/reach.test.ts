import type { RequestListener } from 'node:http';
import { expect, test } from 'vitest';
import { PROBE_HEADER, publicUrl, reach } from '../src/server/reach';
import { serve } from './http';

const reached = async (listener: RequestListener, isForwarding = true) =>
  (await reach((await serve(listener)).href, isForwarding)).by;

const REFUSAL = '{"errors":[{"message":"No enabled webhook workflow has this key."}]}';

/** As sidehook answers: it takes over the number of a request. */
const sidehook: RequestListener = (request, response) => {
  response.statusCode = 404;
  response.setHeader('x-request-id', request.headers['x-request-id'] ?? '');
  response.end(request.method === 'GET' ? REFUSAL : '');
};

/** This plugin marks what goes through it. */
const marked =
  (listener: RequestListener): RequestListener =>
  (request, response) => {
    response.setHeader(PROBE_HEADER, 'nocobase');
    listener(request, response);
  };

const answering =
  (status: number, body = ''): RequestListener =>
  (_, response) => {
    response.statusCode = status;
    response.setHeader('x-request-id', 'another');
    response.end(body);
  };

test('tells who answers at the public URL', async () => {
  expect(await reached(sidehook)).toBe('sidehook');
  // A proxy may number requests by itself.
  expect(await reached(answering(404, REFUSAL))).toBe('sidehook');
  expect(await reached(marked(sidehook))).toBe('handed');
  expect(await reached(marked(answering(502)))).toBe('lost');
  // NocoBase alone uses the same words.
  expect(await reached(marked(answering(404, REFUSAL)), false)).toBe('nocobase');
  expect(await reached(answering(404, '<h1>Not Found</h1>'))).toBe('other');
  expect(await reached(answering(200, 'welcome'))).toBe('other');
});

test('asks for a webhook that does not exist, and says what came back', async () => {
  const asked: string[] = [];
  const base = await serve((request, response) => {
    asked.push(request.url!);
    answering(301)(request, response);
  });
  const url = `${base.href}webhook:trigger/`;
  expect(await reach(base.href, true)).toEqual({ url, by: 'other', status: 301, error: null });
  expect(asked).toEqual([expect.stringMatching(/^\/webhook:trigger\/[\da-f-]{36}$/)]);
  expect(await reach('http://127.0.0.1:1/', true)).toEqual({
    url: 'http://127.0.0.1:1/webhook:trigger/',
    by: 'nobody',
    status: null,
    error: expect.any(String),
  });
});

test('the public URL is the one by which NocoBase was called', () => {
  expect(publicUrl({ host: 'n.example:8080' }, false)).toBe('http://n.example:8080/api/');
  expect(publicUrl({ host: 'n.example' }, true, '/x/api')).toBe('https://n.example/x/api/');
  const behind = { host: 'inner:1', 'x-forwarded-host': 'n.example, inner', 'x-forwarded-proto': 'https' };
  expect(publicUrl(behind, false)).toBe('https://n.example/api/');
  expect(publicUrl({ host: '[::1]:80' }, false)).toBe('http://[::1]:80/api/');
  for (const host of [undefined, '', 'user@inner', 'inner/path', 'a b'])
    expect(publicUrl(host === undefined ? {} : { host }, false)).toBeUndefined();
});
