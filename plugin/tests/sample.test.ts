import { expect, test } from 'vitest';
import { withSample } from '../src/forms/sample';
import type { RequestDetail } from '../src/server/requests';

const sample = (values: Partial<RequestDetail>) =>
  ({
    headers: [],
    query: '',
    contentType: 'application/json',
    body: null,
    bodyEncoding: 'utf-8',
    bodySize: values.body?.length ?? 0,
    ...values,
  }) as RequestDetail;

test('lists what is of the event: neither what all requests have nor what lets a sender in', () => {
  const names = [
    'host',
    'user-agent',
    'content-type',
    'x-forwarded-for',
    'x-sidehook-hop',
    'accept-encoding',
    'sec-fetch-mode',
  ];
  const headers = [
    ...names,
    'x-hub-signature-256',
    'authorization',
    'x-api-key',
    'x-github-event',
    'x-request-id',
  ];
  const given = sample({
    headers: headers.map((name) => [name, 'v']),
    query: 'a=1&b%5Bc%5D=2',
    body: '{"order":{"id":1},"lines":[{"n":2}]}',
  });
  expect(withSample(undefined, given)).toEqual({
    hasBody: true,
    request: {
      headers: [{ key: 'x-github-event' }, { key: 'x-request-id' }],
      query: [{ key: 'a' }, { key: 'b' }, { key: 'b.c', _var: 'b_c' }],
      body: [
        { key: 'order' },
        { key: 'order.id', _var: 'order_id' },
        { key: 'lines' },
        { key: 'lines[0]', _var: 'lines_0' },
        { key: 'lines[0].n', _var: 'lines_0_n' },
      ],
    },
  });
});

test('what is listed already stays, and keeps its names', () => {
  const request = {
    headers: [{ key: 'X-GitHub-Event' }, { key: 'X-Other' }],
    body: [{ key: 'order.id', _var: 'number', alias: 'Number' }],
  };
  const given = sample({ headers: [['x-github-event', 'push']], body: '{"order":{"id":1}}' });
  expect(withSample(request, given).request).toEqual({
    headers: [{ key: 'X-GitHub-Event' }, { key: 'X-Other' }],
    body: [{ key: 'order' }, { key: 'order.id', _var: 'number', alias: 'Number' }],
  });
});

test('reads forms, and says where a body cannot be read', () => {
  const form = sample({
    contentType: 'application/x-www-form-urlencoded; charset=utf-8',
    body: 'a%5Bb%5D=1',
  });
  expect(withSample(null, form)).toEqual({
    hasBody: true,
    request: { body: [{ key: 'a' }, { key: 'a.b', _var: 'a_b' }] },
  });
  const none = { request: undefined, hasBody: false };
  expect(withSample(undefined, sample({ bodySize: 9 }))).toEqual(none);
  expect(withSample(undefined, sample({ body: '{"a":', bodySize: 5 }))).toEqual(none);
  expect(withSample(undefined, sample({ body: '{"a":1}', bodySize: 70 }))).toEqual(none);
  expect(withSample(undefined, sample({ body: '/w==', bodyEncoding: 'base64', bodySize: 1 }))).toEqual(none);
  expect(withSample(undefined, sample({}))).toEqual({ request: undefined, hasBody: true });
});
