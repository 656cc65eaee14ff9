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

test('leaves out headers without a value and those of the connection', () => {
  const headers = [
    { name: 'X-A', value: 1 },
    { name: 'Content-Length', value: '3' },
    { name: 'X-C', value: null },
    { name: '', value: 'a' },
    { name: 'X-L', value: ' é ' },
  ];
  expect(replyOf({ headers }).headers).toEqual([
    ['X-A', '1'],
    ['X-L', 'é'],
  ]);
});

test.each([
  ['X-B', 'a\r\nb: c', 'its value has line breaks or other control characters'],
  ['X B', 'a', 'its name has characters that names of headers cannot have'],
  ['X-D', '✓', 'its value has characters beyond ISO 8859-1'],
  ['Location', null, 'it has no value, so nobody is told where to go'],
])('says that %s cannot be sent', (name, value, reason) => {
  const message = `The header "${name}" of the response cannot be sent: ${reason}.`;
  expect(() => replyOf({ statusCode: 302, headers: [{ name, value }] })).toThrow(message);
});

test('percent-encodes URLs', () => {
  const location = (value: string) => replyOf({ headers: [{ name: 'Location', value }] }).headers[0]?.[1];
  expect(location('https://a.example/größe?q=✓ 1')).toBe('https://a.example/gr%C3%B6%C3%9Fe?q=%E2%9C%93%201');
  expect(location("/a%20b?c[]=1&d='#e")).toBe("/a%20b?c[]=1&d='#e");
  expect(location('/a\r\nb: c')).toBe('/a%0D%0Ab:%20c');
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
