import { expect, test } from 'vitest';
import { BrokenJson, findBroken, parseJson, parseTemplate } from '../src/forms/json';

test.each([
  ['{"a": [1, -2.5e3, true, null, "x\\u00e9\\n"], "b": {}}', { a: [1, -2500, true, null, 'xé\n'], b: {} }],
  [' [] ', []],
  ['"text"', 'text'],
  ['', undefined],
  [' \n', undefined],
])('reads %j', (text, value) => {
  expect(parseJson(text)).toEqual(value);
});

test.each([
  ['{"a": 1,}', 1, 9],
  ['{\n  "a": 1\n  "b": 2\n}', 3, 3],
  ['{\n  "a": tru\n}', 2, 8],
  ['{"a": 1', 1, 8],
  ["{'a': 1}", 1, 2],
  ['[1, 2]]', 1, 7],
  ['{"a": "x\ny"}', 1, 7],
  ['{"a": 01}', 1, 8],
  ['<xml/>', 1, 1],
])('tells where %j is broken', (text, line, column) => {
  expect(parseJson(text)).toEqual(new BrokenJson(text, line, column));
});

test('placeholders may stand without quotes', () => {
  expect(
    parseTemplate('{"a": {{$context.body.a}}, "b": "is {{$env.B}}, \\"{{x}}\\"", "c": [{{d}}]}'),
  ).toEqual({
    a: '{{$context.body.a}}',
    b: 'is {{$env.B}}, "{{x}}"',
    c: ['{{d}}'],
  });
  expect(parseTemplate('{"a": {{x}} {{y}}}')).toBeInstanceOf(BrokenJson);
  expect(parseTemplate('{"a": {"b": {"c": {}}}}')).toEqual({ a: { b: { c: {} } } });
});

test('finds broken text anywhere', () => {
  const broken = new BrokenJson('{', 1, 2);
  expect(findBroken({ a: [1, { b: broken }] })).toBe(broken);
  expect(findBroken({ a: null })).toBeUndefined();
});
