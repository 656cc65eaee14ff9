import { expect, test } from 'vitest';
import { buildContext } from '../src/server/context';

const build = (
  config: object,
  { rawHeaders = [] as string[], query = '', body = undefined as unknown } = {},
) => buildContext(config, { rawHeaders, query, body });

test('picks what is configured and leaves out what is missing', () => {
  const request = {
    headers: [{ key: 'X-Sign' }, { key: 'x-two', _var: 'h1' }, { key: 'x-none' }, { key: 'Authorization' }],
    query: [{ key: 'q' }, { key: 'list[1]' }, { key: 'f.a' }, { key: 'none' }],
    body: [
      { key: 'a.b.1.c', _var: 'body_$0' },
      { key: 'b.c' },
      { key: 'n' },
      { key: 'l.map' },
      { key: 'nope' },
    ],
  };
  const context = build(
    { request },
    {
      rawHeaders: ['x-sign', 'abc', 'X-Two', '2', 'x-two', '3', 'authorization', 'Basic x'],
      query: 'q=1&list=a&list=b&f[a]=%E2%9C%93',
      body: { a: { b: [{ c: 1 }, { c: 2 }] }, 'b.c': 'flat', b: { c: 'deep' }, n: null, l: [] },
    },
  );
  expect(context).toEqual({
    headers: { 'X-Sign': 'abc', h1: '2, 3' },
    query: { q: '1', 'list[1]': 'b', 'f.a': '✓' },
    body: { body_$0: 2, 'b.c': 'flat', n: null },
  });
});

test('without a request the whole request is the context, without secrets', () => {
  const rawHeaders = ['X-A', '1', 'Cookie', 'c', 'X-Hub-Signature-256', 's', 'X-Gitlab-Token', 't'];
  expect(build({}, { rawHeaders, query: 'a[b]=1', body: [1] })).toEqual({
    headers: { 'x-a': '1' },
    query: { a: { b: '1' } },
    data: [1],
    params: {},
  });
});

test('a configured proof stands beside the full context', () => {
  const config = {
    request: { headers: [{ key: 'X-Gitlab-Token' }], body: [{ key: 'a' }] },
    sidehook: { context: 'full' },
  };
  expect(build(config, { rawHeaders: ['x-gitlab-token', 't', 'x-b', '2'], body: { a: 1 } })).toEqual({
    headers: { 'x-b': '2', 'X-Gitlab-Token': 't' },
    query: {},
    body: { a: 1 },
    data: { a: 1 },
    params: {},
  });
});

const items = { items: [{ id: 1, tags: ['a'] }, { id: 2 }], none: null, $filter: 'x' };

test.each([
  ['$.items[0].id', 1],
  ["$.items[-1]['id']", 2],
  ['$.items[*].id', [1, 2]],
  ['$..tags', [['a']]],
  ['$.items[?@.id > 1].id', [2]],
  ['$.none', null],
  ['$.nope', undefined],
  ['$.nope[*]', []],
  ['$filter', 'x'],
  ['$.items[', undefined],
])('%s finds %j', (key, expected) => {
  expect(
    (build({ request: { body: [{ key, _var: 'v' }] } }, { body: items }).body as { v: unknown }).v,
  ).toEqual(expected);
});

test('takes names for what they are', () => {
  const body = build({ request: { body: [{ key: 'a', _var: '__proto__' }] } }, { body: { a: 1 } })
    .body as object;
  expect(Object.getPrototypeOf(body)).toBe(Object.prototype);
  expect(JSON.stringify(body)).toBe('{"__proto__":1}');
});
