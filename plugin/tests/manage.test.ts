import type { RequestListener } from 'node:http';
import { expect, test, vi } from 'vitest';
import { Manager } from '../src/server/manage';
import { read, serve } from './http';

/** A manager of a sidehook that answers so. */
async function managing(listener: RequestListener) {
  return new Manager(new URL('base/', await serve(listener)), 'secret');
}

const answering = (status: number, body: unknown) =>
  managing((_, response) => {
    response.statusCode = status;
    response.end(JSON.stringify(body));
  });

test('nobody is asked without an address and a token', async () => {
  expect(await new Manager(undefined, 'secret').health()).toEqual({ obstacle: 'url' });
  const listener = vi.fn();
  const url = await serve(listener);
  expect(await new Manager(url, undefined).health()).toEqual({ obstacle: 'token' });
  expect(await new Manager(url, '').replay('1')).toEqual({ obstacle: 'token' });
  expect(listener).not.toHaveBeenCalled();
});

test('says what keeps sidehook from answering', async () => {
  expect(await (await answering(404, {})).health()).toEqual({ obstacle: 'closed' });
  expect(await (await answering(401, {})).health()).toEqual({ obstacle: 'denied' });
  expect(await (await answering(503, {})).health()).toEqual({ obstacle: 'refused', error: '503' });
  const gone = new Manager(new URL('http://127.0.0.1:1'), 'secret');
  expect(await gone.health()).toEqual({ obstacle: 'silent', error: expect.any(String) });
});

test('a token is sent to no other host, and a long answer is not read', async () => {
  const other = vi.fn((_, response) => response.end('{}'));
  const elsewhere = await serve(other);
  const redirecting = await managing((_, response) => {
    response.writeHead(302, { location: elsewhere.href });
    response.end();
  });
  expect(await redirecting.health()).toEqual({ obstacle: 'refused', error: '302' });
  expect(other).not.toHaveBeenCalled();
  const endless = await managing((_, response) => {
    const write = () => response.write('x'.repeat(100_000), (error) => error || write());
    write();
  });
  expect(await endless.health()).toEqual({ obstacle: 'silent', error: expect.stringContaining('1000000') });
});

test('has a request handled once more, and says what came of it', async () => {
  const asked: string[] = [];
  const manager = await managing((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    response.end('{"status":200,"executionId":"400080569925632","requestId":7}');
  });
  expect(await manager.replay('12')).toEqual({ status: 200, executionId: '400080569925632', requestId: '7' });
  expect(asked).toEqual(['POST /base/requests/12/replay Bearer secret']);
  const cut = await answering(409, { error: 'Its body is not kept as a whole.' });
  expect(await cut.replay('1')).toEqual({ obstacle: 'refused', error: 'Its body is not kept as a whole.' });
  expect(
    await (await answering(200, { status: 401, executionId: null, requestId: null })).replay('1'),
  ).toEqual({ status: 401, executionId: null, requestId: null });
});

test('tells a request that is gone from a sidehook without a token', async () => {
  const open = await managing((request, response) => {
    response.statusCode = request.url === '/base/health/status' ? 200 : 404;
    response.end('{}');
  });
  expect(await open.replay('1')).toEqual({ obstacle: 'gone' });
  expect(await (await answering(404, {})).replay('1')).toEqual({ obstacle: 'closed' });
});

test('listens to a workflow, and stops', async () => {
  const asked: string[] = [];
  const manager = await managing(async (request, response) => {
    asked.push(`${request.method} ${request.url} ${await read(request)}`);
    response.statusCode = 204;
    response.end();
  });
  expect(await manager.listen('a?b', 300)).toEqual({ seconds: 300 });
  expect(await manager.listen('a?b', 0)).toEqual({ seconds: 0 });
  expect(asked).toEqual([
    'PUT /base/requests/listening/a%3Fb {"seconds":300}',
    'DELETE /base/requests/listening/a%3Fb ',
  ]);
  expect(await (await answering(500, {})).listen('k', 1)).toEqual({ obstacle: 'refused', error: '500' });
});

test('sets for how long requests are kept, or leaves it to the environment', async () => {
  const asked: string[] = [];
  const manager = await managing(async (request, response) => {
    asked.push(`${request.method} ${request.url} ${await read(request)}`);
    response.end('{}');
  });
  expect(await manager.retain(86_400)).toEqual({ seconds: 86_400 });
  expect(await manager.retain(0)).toEqual({ seconds: 0 });
  expect(asked).toEqual([
    'PUT /base/requests/retention {"seconds":86400}',
    'DELETE /base/requests/retention ',
  ]);
  const short = await answering(400, { error: 'a minute at least' });
  expect(await short.retain(1)).toEqual({ obstacle: 'refused', error: 'a minute at least' });
});
