import { expect, test } from 'vitest';
import { bodyOf } from '../src/pages/body';
import { curlOf } from '../src/pages/curl';
import { anchorOf, colourOf, type Entry, merged, MOST, urlOf } from '../src/pages/entries';
import type { RequestDetail } from '../src/server/requests';

const entry = (id: string, status: number | null = 200) => ({ id, status }) as Entry;

const DETAIL = {
  method: 'POST',
  path: '/api/webhooks/k',
  query: 'a=1',
  headers: [
    ['host', 'h'],
    ['content-type', 'text/plain'],
    ['x-it', "it's"],
  ],
  body: 'é',
  bodyEncoding: 'utf-8',
  bodySize: 2,
} as RequestDetail;

test('looks again from the newest on, and from the oldest of the newest that wait for an answer', () => {
  expect(anchorOf([])).toBeUndefined();
  expect(anchorOf([entry('3'), entry('2')])).toBe('3');
  expect(anchorOf([entry('4'), entry('3', null), entry('2'), entry('1')])).toBe('2');
  expect(anchorOf([entry('2', null)])).toBeUndefined();
  // One that never ends, because its sidehook was killed, is not looked at for ever.
  const old = Array.from({ length: 60 }, (_, index) => entry(String(100 - index), index === 55 ? null : 200));
  expect(anchorOf(old)).toBe('100');
});

test('joins what is found to what was there', () => {
  const before = [entry('3', null), entry('2'), entry('1')];
  expect(merged(before, '2', [entry('4'), entry('3')])).toEqual([
    entry('4'),
    entry('3'),
    entry('2'),
    entry('1'),
  ]);
  expect(merged(before, '2', [])).toEqual([entry('2'), entry('1')]);
  expect(merged(before, undefined, [entry('4')])).toEqual([entry('4')]);
  // After a gap nothing is shown as if it followed.
  const many = Array.from({ length: MOST }, (_, index) => entry(String(1000 - index)));
  expect(merged(before, '3', many)).toEqual(many);
});

test('an answer has a colour, and a URL its query', () => {
  const colours = [null, 200, 302, 404, 500].map((status) => colourOf({ status }));
  expect(colours).toEqual(['default', 'success', 'processing', 'warning', 'error']);
  expect(urlOf(DETAIL)).toBe('/api/webhooks/k?a=1');
  expect(urlOf({ path: '/in', query: '' })).toBe('/in');
});

test('tells what is kept of a body from what was sent', () => {
  const of = (body: string | null, bodyEncoding: string | null, bodySize: number) =>
    bodyOf({ ...DETAIL, body, bodyEncoding, bodySize });
  expect(of(null, null, 0)).toEqual({ kind: 'none', kept: 0 });
  expect(of(null, null, 5)).toEqual({ kind: 'left', kept: 0 });
  expect(of('é', 'utf-8', 2)).toEqual({ kind: 'whole', text: 'é', kept: 2 });
  expect(of('é', 'utf-8', 3)).toEqual({ kind: 'cut', text: 'é', kept: 2 });
  expect(of('/w==', 'base64', 1)).toEqual({ kind: 'whole', base64: '/w==', kept: 1 });
  expect(of('////', 'base64', 9)).toEqual({ kind: 'cut', base64: '////', kept: 3 });
});

test('a line of curl sends the same again', () => {
  expect(curlOf({ ...DETAIL, body: "it's", bodySize: 4 }, 'http://h/')).toBe(
    "curl --globoff --request 'POST' 'http://h/api/webhooks/k?a=1' --header 'content-type: text/plain' " +
      "--header 'x-it: it'\\''s' --data-raw 'it'\\''s'",
  );
  expect(
    curlOf({ ...DETAIL, headers: [], body: '/w==', bodyEncoding: 'base64', bodySize: 1 }, 'http://h'),
  ).toBe(
    "printf %s '/w==' | base64 -d | curl --globoff --request 'POST' 'http://h/api/webhooks/k?a=1' --data-binary @-",
  );
  expect(curlOf({ ...DETAIL, headers: [], body: null, bodySize: 0 }, 'http://h')).toMatch(/k\?a=1'$/);
  // Half of a body would be another request.
  expect(curlOf({ ...DETAIL, bodySize: 99 }, 'http://h')).toBeUndefined();
  expect(curlOf({ ...DETAIL, body: null }, 'http://h')).toBeUndefined();
});
