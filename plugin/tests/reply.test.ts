import { expect, test } from 'vitest';
import { Refusal } from '../src/server/refusal';
import { replyOf, replyOfRefusal, replyOfStatus } from '../src/server/reply';

const JSON_TYPE = 'application/json; charset=utf-8';

test.each([
  [{}, { status: 200, headers: [] }],
  [
    { statusCode: '201', body: { a: 1 } },
    { status: 201, headers: [], body: { type: JSON_TYPE, text: '{"a":1}' } },
  ],
  [{ body: 'hi' }, { status: 200, headers: [], body: { type: 'text/plain; charset=utf-8', text: 'hi' } }],
  [{ body: '' }, { status: 200, headers: [], body: { type: 'text/plain; charset=utf-8', text: '' } }],
  [{ body: false }, { status: 200, headers: [], body: { type: JSON_TYPE, text: 'false' } }],
  [
    { statusCode: 204, body: 'x' },
    { status: 204, headers: [] },
  ],
  [
    { body: '<a/>', headers: [{ name: 'Content-Type', value: 'text/xml' }] },
    { status: 200, headers: [], body: { type: 'text/xml', text: '<a/>' } },
  ],
])('answers %j', (result, expected) => {
  expect(replyOf(result)).toEqual(expected);
});

test('leaves out headers that HTTP does not allow', () => {
  const headers = [
    { name: 'X-A', value: 1 },
    { name: 'X-B', value: 'a\r\nb: c' },
    { name: 'X B', value: 'a' },
    { name: 'Content-Length', value: '3' },
    { name: 'X-C', value: null },
    { name: 'X-D', value: '✓' },
  ];
  expect(replyOf({ headers }).headers).toEqual([['X-A', '1']]);
});

test.each([[99], [600], ['x'], [true], [200.5]])('refuses the status %j', (statusCode) => {
  expect(() => replyOf({ statusCode })).toThrow(Refusal);
});

test('tells how an execution has ended, and why a request is refused', () => {
  expect([replyOfStatus(true).status, replyOfStatus(false).status]).toEqual([200, 500]);
  expect(replyOfRefusal(new Refusal(405, 'No.', { Allow: 'POST' }))).toEqual({
    status: 405,
    headers: [['Allow', 'POST']],
    body: { type: JSON_TYPE, text: '{"errors":[{"message":"No."}]}' },
  });
});
