import { expect, test } from 'vitest';
import {
  isReferable,
  isWhole,
  newItem,
  parametersOf,
  withKey,
  withPaths,
  withRows,
} from '../src/forms/items';

test.each([
  ['total', { key: 'total' }],
  ['X-Event', { key: 'X-Event' }],
  ['order.id', { key: 'order.id', _var: 'order_id' }],
  ['list[0].a', { key: 'list[0].a', _var: 'list_0_a' }],
  ['[0].a', { key: '[0].a', _var: '_0_a' }],
  ['名前', { key: '名前', _var: 'item' }],
  ['$.a[*].b', { key: '$.a[*].b', _var: '$_a_b' }],
  ['2nd', { key: '2nd', _var: '_2nd' }],
])('names %j', (key, expected) => {
  const item = newItem(key, []);
  expect(item).toEqual(expected);
  expect(isReferable(item)).toBe(true);
});

test('two items never have one name', () => {
  const taken = [{ key: 'a.b', _var: 'a_b' }, { key: 'a_b_2' }];
  expect(newItem('a_b', taken)).toEqual({ key: 'a_b', _var: 'a_b_3' });
});

test('a row keeps its name when its path is changed', () => {
  expect(withKey({ key: '' }, 'a.b', [{ key: 'a_b' }])).toEqual({ key: 'a.b', _var: 'a_b_2' });
  expect(withKey({ key: 'a', alias: 'A' }, 'x.a', [])).toEqual({ key: 'x.a', alias: 'A', _var: 'a' });
  expect(withKey({ key: 'x.a', _var: 'a' }, 'a', [])).toEqual({ key: 'a' });
  expect(withKey({ key: 'x.a', _var: 'a' }, 'y.a', [])).toEqual({ key: 'y.a', _var: 'a' });
});

test('parsing again loses neither names nor aliases nor rows', () => {
  const rows = withPaths([], ['a', 'a.b', 'c']).map((row) =>
    row.key === 'a.b' ? { ...row, alias: 'B' } : row,
  );
  expect(withPaths(rows, ['a_b', 'a.b', 'd.e'])).toEqual([
    { key: 'a_b', _var: 'a_b_2' },
    { key: 'a.b', _var: 'a_b', alias: 'B' },
    { key: 'd.e', _var: 'd_e' },
    { key: 'a' },
    { key: 'c' },
  ]);
  // Rows that came another way keep their shape.
  const other = [{ key: 'x.y', more: 1 }];
  expect(withPaths(other, ['x.y'])).toEqual(other);
});

test('no rows store no request', () => {
  const request = withRows(undefined, 'body', [{ key: 'a' }]);
  expect(request).toEqual({ body: [{ key: 'a' }] });
  expect(withRows(request, 'body', [])).toBeUndefined();
  expect(withRows({ ...request, query: [{ key: 'b' }] }, 'body', [])).toEqual({ query: [{ key: 'b' }] });
});

test('the whole request is the context without a request, or when it is asked for', () => {
  expect(
    [undefined, {}, { request: null }, { request: {} }, { request: {}, sidehook: { context: 'full' } }].map(
      (config) => isWhole(config),
    ),
  ).toEqual([true, true, true, false, true]);
  expect(parametersOf({ sidehook: { path: '/orders/:id/:part-2/x' } })).toEqual(['id', 'part-2']);
  expect(parametersOf({ sidehook: { path: 1 } })).toEqual([]);
});
