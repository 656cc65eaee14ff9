import { expect, test } from 'vitest';
import { curlLine, exampleContext, exampleOf } from '../src/forms/example';
import { contextOptions, named, replyOptions } from '../src/forms/variables';

const config = {
  basicAuthentication: { username: "o'neil", password: 'secret' },
  request: {
    headers: [{ key: 'X-Event' }, { key: 'Content-Type' }],
    query: [{ key: 'q' }, { key: 'list[0].a', _var: 'list_0_a' }],
    body: [
      { key: 'b' },
      { key: 'b.c', _var: 'b_c', alias: 'C' },
      { key: '$.x', _var: '$_x' },
      { key: 'd.e' },
    ],
  },
  sidehook: { path: 'orders/:id' },
};

test('makes a value in which each path leads somewhere', () => {
  expect(exampleOf([{ key: 'a' }, { key: 'a.b' }, { key: 'a.b.c' }, { key: 'l[1]' }])).toEqual({
    a: { b: { c: 'string' } },
    l: [undefined, 'string'],
  });
  expect(exampleOf([{ key: '[0].a' }, { key: '[0]' }])).toEqual([{ a: 'string' }]);
  expect(exampleOf([])).toEqual({});
});

test('makes the context of a manual run', () => {
  expect(exampleContext(config)).toEqual({
    headers: { 'X-Event': 'string', 'Content-Type': 'string' },
    query: { q: 'string', list_0_a: 'string' },
    body: { b: { c: 'string' }, b_c: 'string', $_x: 'string', 'd.e': 'string' },
    params: { id: 'string' },
  });
  expect(exampleContext({})).toEqual({ headers: {}, query: {}, data: {}, params: {} });
  expect(exampleContext({ request: {} })).toEqual({ headers: {}, query: {}, body: {} });
});

test('writes a line for curl, without the password', () => {
  expect(curlLine('http://n/api/webhook:trigger/k', config)).toBe(
    `curl -i 'http://n/api/webhook:trigger/k?list%5B0%5D%5Ba%5D=string&q=string' -u 'o'\\''neil' -H 'X-Event: string' ` +
      `-H 'Content-Type: application/json' -d '{"b":{"c":"string"},"d":{"e":"string"}}'`,
  );
  expect(curlLine('http://n/', undefined)).toBe(
    `curl -i 'http://n/' -H 'Content-Type: application/json' -d '{}'`,
  );
});

test('offers what is listed, by its label', () => {
  const t = (text: string) => text;
  expect(contextOptions(config, t)).toEqual([
    {
      value: 'headers',
      label: 'Headers',
      children: [
        { value: 'X-Event', label: 'X-Event' },
        { value: 'Content-Type', label: 'Content-Type' },
      ],
    },
    {
      value: 'query',
      label: 'Query parameters',
      children: [
        { value: 'q', label: 'q' },
        { value: 'list_0_a', label: 'list[0].a' },
      ],
    },
    {
      value: 'body',
      label: 'Body',
      children: [
        { value: 'b', label: 'b' },
        { value: 'b_c', label: 'C' },
        { value: '$_x', label: '$.x' },
        // NocoBase would look for `e` in `d`.
        { value: 'd.e', label: 'd.e', disabled: true },
      ],
    },
    { value: 'params', label: 'Path parameters', children: [{ value: 'id', label: 'id' }] },
  ]);
  expect(contextOptions({}, t).map(({ value }) => value)).toEqual(['headers', 'query', 'data', 'params']);
  expect(contextOptions({ request: {} }, t)).toEqual([]);
});

test('gives options under the names that an input asks for', () => {
  const options = [{ value: 'a', label: 'A', children: [{ value: 'b.c', label: 'C', disabled: true }] }];
  expect(named(options)).toEqual([
    {
      key: 'a',
      value: 'a',
      label: 'A',
      children: [{ key: 'b.c', value: 'b.c', label: 'C', disabled: true }],
    },
  ]);
  expect(
    named(
      replyOptions((text) => text),
      { label: 'title', value: 'name' },
    )[0],
  ).toEqual({
    key: 'statusCode',
    name: 'statusCode',
    title: 'Status code',
  });
});
