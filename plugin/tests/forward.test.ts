import http from 'node:http';
import { expect, test } from 'vitest';
import { forward } from '../src/server/forward';
import { read, serve } from './http';

/** A NocoBase that hands everything on to `target`. */
const gateway = (target: URL) => serve((request, response) => void forward(request, response, target));

test('hands the request on byte by byte and the answer back', async () => {
  let seen:
    | {
        method?: string | undefined;
        url?: string | undefined;
        headers: http.IncomingHttpHeaders;
        body: Buffer;
      }
    | undefined;
  const upstream = await serve(async (request, response) => {
    seen = { method: request.method, url: request.url, headers: request.headers, body: await read(request) };
    response.writeHead(
      201,
      'Made',
      [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['X-Text', '\u00fc'],
        ['Keep-Alive', 'timeout=9'],
      ].flat(),
    );
    response.end('made');
  });
  const url = await gateway(new URL('/base/', upstream));
  const body = Buffer.from([0, 255, 13, 10, 128]);
  const response = await fetch(new URL('/api/webhooks/k?a=%20b&c', url), {
    method: 'POST',
    body,
    headers: { 'x-forwarded-for': '192.0.2.1', 'x-signature': 's', 'content-type': 'application/x-odd' },
  });
  expect([response.status, response.statusText, await response.text()]).toEqual([201, 'Made', 'made']);
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  expect(response.headers.get('x-text')).toBe('\u00fc');
  expect([seen?.method, seen?.url, seen?.body]).toEqual(['POST', '/base/api/webhooks/k?a=%20b&c', body]);
  expect(seen?.headers).toMatchObject({
    host: upstream.host,
    'content-length': '5',
    'content-type': 'application/x-odd',
    'x-signature': 's',
    'x-forwarded-for': '192.0.2.1, 127.0.0.1',
    'x-forwarded-host': url.host,
    'x-forwarded-proto': 'http',
    'x-sidehook-hop': '1',
  });
});

test('drops headers that belong to the connection', async () => {
  let seen: http.IncomingHttpHeaders = {};
  const upstream = await serve((request, response) => {
    seen = request.headers;
    response.end();
  });
  const url = await gateway(upstream);
  await new Promise<void>((resolve, reject) => {
    const headers = { connection: 'x-private', 'x-private': '1', te: 'trailers', 'x-kept': '1' };
    const request = http.request(url, { method: 'POST', headers }, (response) =>
      response.resume().on('end', resolve),
    );
    request.on('error', reject).end();
  });
  expect(seen['x-kept']).toBe('1');
  expect([seen['x-private'], seen.te]).toEqual([undefined, undefined]);
});

test('a large body and a large answer pass', async () => {
  const upstream = await serve((request, response) => void request.pipe(response));
  const body = Buffer.alloc(20_000_000, 'x');
  const response = await fetch(await gateway(upstream), { method: 'POST', body });
  expect((await response.arrayBuffer()).byteLength).toBe(body.length);
});

test('an answer that comes before the body was read is passed on', async () => {
  const upstream = await serve((_, response) => void response.writeHead(413).end('too large'));
  const response = await fetch(await gateway(upstream), { method: 'POST', body: Buffer.alloc(1_000_000) });
  expect([response.status, await response.text()]).toEqual([413, 'too large']);
});

test('says when sidehook cannot be reached', async () => {
  const response = await fetch(await gateway(new URL('http://127.0.0.1:1')), { method: 'POST', body: 'x' });
  expect(response.status).toBe(502);
  expect(await response.json()).toEqual({ errors: [{ message: 'sidehook cannot be reached.' }] });
});

test('a request that comes round is refused', async () => {
  let calls = 0;
  const url: URL = await serve((request, response) => {
    calls += 1;
    void forward(request, response, url);
  });
  const response = await fetch(url, { method: 'POST', body: 'x' });
  expect([response.status, calls]).toEqual([508, 2]);
});

test('an answer that breaks off breaks off for the caller, too', async () => {
  const upstream = await serve((_, response) => {
    response.writeHead(200, { 'content-length': '10' }).write('half');
    setTimeout(() => response.destroy(), 20);
  });
  const response = await fetch(await gateway(upstream), { method: 'POST' });
  await expect(response.text()).rejects.toThrow();
});

test('a caller that hangs up frees the connection', async () => {
  let hungUp = () => {};
  const closed = new Promise<void>((resolve) => (hungUp = resolve));
  const upstream = await serve((request) => void request.socket.once('close', hungUp));
  const abort = new AbortController();
  const sent = fetch(await gateway(upstream), { method: 'POST', body: 'x', signal: abort.signal });
  setTimeout(() => abort.abort(), 50);
  await expect(sent).rejects.toThrow();
  await closed;
});
