import { expect, test } from 'vitest';
import { validateResponse, validateTrigger } from '../src/server/config';

test.each([
  [{}],
  [{ basicAuthentication: false, request: null, response: null, sidehook: null }],
  [
    {
      basicAuthentication: { username: 'a', password: 'b' },
      request: { headers: [{ key: 'X-A' }], body: [{ key: 'a.b', _var: 'c' }] },
    },
  ],
  [
    {
      response: {
        statusCode: '{{$context.body.status}}',
        headers: [{ name: 'X-A', value: 'b' }],
        body: { a: 1 },
      },
      other: 1,
      sidehook: { context: 'full', path: '/orders/:id/', later: {} },
    },
  ],
])('takes %j for a trigger', (config) => {
  expect(validateTrigger(config)).toBeNull();
});

test.each([
  [null, ['config']],
  [{ basicAuthentication: true }, ['basicAuthentication.username', 'basicAuthentication.password']],
  [{ basicAuthentication: { username: 'a', password: '' } }, ['basicAuthentication.password']],
  [{ request: [] }, ['request']],
  [
    { request: { query: {}, body: [{ key: 'a' }, {}, { key: '' }] } },
    ['request.query', 'request.body.1.key', 'request.body.2.key'],
  ],
  [
    { response: { statusCode: 99, headers: [{ value: 1 }] } },
    ['response.statusCode', 'response.headers.0.name'],
  ],
  [{ response: { statusCode: '99' } }, ['response.statusCode']],
  [{ sidehook: 'full' }, ['sidehook']],
  [{ sidehook: { context: 'whole', path: 'orders//x' } }, ['sidehook.context', 'sidehook.path']],
  [{ sidehook: { path: 'a/../b' } }, ['sidehook.path']],
  [{ sidehook: { path: 'a?b' } }, ['sidehook.path']],
  [{ sidehook: { path: 'a/:id/:id' } }, ['sidehook.path']],
  [{ sidehook: { path: 'a/:' } }, ['sidehook.path']],
])('says what is wrong with %j', (config, paths) => {
  expect(Object.keys(validateTrigger(config) ?? {})).toEqual(paths);
});

test('checks a response node', () => {
  expect(validateResponse({})).toBeNull();
  expect(validateResponse({ statusCode: 599, headers: '{{$context.body.headers}}', body: null })).toBeNull();
  expect(Object.keys(validateResponse({ statusCode: 200.5, headers: {} }) ?? {})).toEqual([
    'statusCode',
    'headers',
  ]);
});
