import { get } from 'lodash';
import qs from 'qs';
import { expect, test } from 'vitest';
import { MAX_PATHS, pathsOf } from '../src/forms/paths';
import { parseQuery } from '../src/forms/query';

test.each([
  [{ a: 1, b: { c: 2 } }, ['a', 'b', 'b.c']],
  [{ query: [{ a: 1 }, 2] }, ['query', 'query[0]', 'query[0].a', 'query[1]']],
  [[{ a: [[null]] }], ['[0]', '[0].a', '[0].a[0]', '[0].a[0][0]']],
  [
    { 'a.b': { '': 1 }, 'x y': 1, $: 1, $ref: { 'q"\\': 1 } },
    ['["a.b"]', '["a.b"][""]', 'x y', '["$"]', '$ref', '$ref.q"\\'],
  ],
  [{ 'a["b"].\\c': 1 }, ['["a[\\"b\\"].\\\\c"]']],
  ['text', []],
  [null, []],
  [{}, []],
])('lists the paths of %j', (value, expected) => {
  const paths = pathsOf(value);
  expect(paths).toEqual(expected);
  // Each of them leads somewhere.
  for (const path of paths) expect(get(value, path)).not.toBeUndefined();
});

test('lists at most 200 paths', () => {
  expect(pathsOf(Array.from({ length: 1000 }, (_, i) => ({ i })))).toHaveLength(MAX_PATHS);
});

test.each([
  'a=1&b=2',
  'query[0][a]=1&query[1][a]=2',
  'a[b][c][d][e][f][g][h]=1',
  'a[]=1&a[]=2&b[]=x',
  'a=1&a=2&a=3',
  'a[3]=x&a[1]=y',
  'a[21]=x',
  'a[b]=1&a[c]=2&a[b]=3',
  'a[01]=1&b[-1]=2&c[ 1]=3',
  'a=1&a[b]=2',
  'a[b]=2&a=1',
  'a[0]=b&a[c]=d',
  'a.b=1&c%5Bd%5D=2&e=x+y&f=%E4%BD%A0',
  'a&b=&=c&&d==e',
  '%zz=1&a=%',
  'a[b=1&c]=2&[d]=3&e[f]g=4',
  'a[0][b]=1&a[0][c]=2&a[1][b]=3',
  'a[b[c]]=1&[]=2&a[b][c][d][e][f][g=1',
])('reads %j as the server does', (query) => {
  expect(parseQuery(query)).toEqual(qs.parse(query));
});

test.each([
  ['http://localhost:13000/api/webhook:trigger/1hfmkioou0d?query=1', { query: '1' }],
  ['/api/webhooks/k?a=1#b=2', { a: '1' }],
  ['?a=1', { a: '1' }],
  ['  a=b?c  ', { a: 'b?c' }],
  ['https://example.com/none', {}],
  ['', {}],
])('takes a whole URL: %j', (pasted, expected) => {
  expect(parseQuery(pasted)).toEqual(expected);
});
