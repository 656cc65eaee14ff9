import http from 'node:http';
import { expect, test } from 'vitest';
import { apiPathOf, isServed } from '../src/server/application';
import { forward } from '../src/server/forward';
import { serve } from './http';

test('sidehook serves the main application and those that it is told to', () => {
  for (const [list, app, expected] of [
    [undefined, 'main', true],
    [undefined, 'shop', false],
    ['main', 'shop', false],
    ['main, shop', 'shop', true],
    ['main,*', 'anything', true],
    ['main,s*p', 'shop', true],
    ['main,s*p', 'shops', false],
    ['main,s.op', 'shop', false],
  ] as const) {
    expect([list, app, isServed(app, list)]).toEqual([list, app, expected]);
  }
});

test('a request is handed on with the name of its application, whatever it says itself', async () => {
  const seen: http.IncomingHttpHeaders[] = [];
  const upstream = await serve((request, response) => {
    seen.push(request.headers);
    response.end();
  });
  for (const app of ['shop', 'main']) {
    const url = await serve((request, response) => void forward(request, response, upstream, app));
    await fetch(url, { method: 'POST', headers: app === 'shop' ? { 'x-app': 'other' } : {} });
  }
  expect(seen.map((headers) => headers['x-app'])).toEqual(['shop', undefined]);
});

test('the public path of an application has its name', () => {
  expect([apiPathOf('main'), apiPathOf('main', '/a/')]).toEqual(['/api/', '/a/']);
  expect(apiPathOf('shop', '/a/').replace(/\/+/g, '/')).toBe('/a/__app/shop/');
});
