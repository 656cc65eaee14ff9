import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isListed, operandOf, textOfOperand } from '../src/forms/conditions';
import { type Extensions, withKeys, withKind, withMember, withScheme } from '../src/forms/members';
import { senderOf, SENDERS, withSender } from '../src/forms/senders';
import { isCors, isDuplicates, isFilter, isRateLimit, isSignature, isToken } from '../src/forms/shown';
import { signedOfText, textOfSigned } from '../src/forms/signed';
import { validateTrigger } from '../src/server/config';
import { PUBLISHED } from '../src/server/members';

const hmac = { scheme: 'hmac', secret: 's', header: 'X-Signature' };

test.each([
  [isSignature, { scheme: 'github', secret: 's' }],
  [isSignature, { scheme: 'stripe', secrets: ['a', 'b'], tolerance: 60 }],
  [isSignature, { scheme: 'sendgrid', publicKey: 'k', tolerance: '5m' }],
  [isSignature, { ...hmac, signed: ['timestamp', '.', 'body'], timestampHeader: 'X-Time', hash: 'sha1' }],
  [isToken, {}],
  [isToken, { header: 'X-Key', value: ['a', 'b'] }],
  [isToken, { bearer: 't' }],
  [isToken, { jwt: { algorithms: ['HS256'], secret: 's', leeway: 5 } }],
  [isRateLimit, { requests: 5, per: '1m', burst: 2, by: { header: 'X-Key' } }],
  [isCors, false],
  [isCors, { origins: ['*'], credentials: false, maxAge: '1h' }],
  [isDuplicates, false],
  [isDuplicates, { from: 'body:id', ttl: '1d', required: true }],
])('%s shows all of %j', (isShown, value) => {
  expect(isShown(value)).toBe(true);
});

test.each([
  [isSignature, 'github'],
  [isSignature, { scheme: 'later', secret: 's' }],
  [isSignature, { scheme: 'github', secret: 's', later: true }],
  [isSignature, { scheme: 'github', secret: 's', secrets: ['a'] }],
  [isSignature, { scheme: 'github', secret: { from: 'vault' } }],
  [isSignature, { scheme: 'square', secret: 's', url: ['https://a.example'] }],
  [isSignature, { ...hmac, signed: ['text:v0', 'body'] }],
  [isSignature, { ...hmac, signed: 'body' }],
  [isToken, 'secret'],
  [isToken, { value: 's' }],
  [isToken, { header: 'X-Key', query: 'key', value: 's' }],
  [isToken, { bearer: null }],
  [isToken, { jwt: { algorithms: 'HS256', secret: 's' } }],
  [isToken, { jwt: { algorithms: ['HS256'], secret: 's', publicKey: 'k' } }],
  [isToken, { jwt: { algorithms: ['HS256'], audience: ['a'] } }],
  [isRateLimit, { requests: 5, by: { header: 'X-Key', query: 'a' } }],
  [isRateLimit, 5],
  [isCors, true],
  [isCors, { origins: '*' }],
  [isDuplicates, { from: ['body:id'] }],
  [isDuplicates, []],
])('%s shows not all of %j', (isShown, value) => {
  expect(isShown(value)).toBe(false);
});

test('changes one member, and leaves the others as they are', () => {
  expect(withMember({ a: 1, later: [{}] }, 'a', 2)).toEqual({ a: 2, later: [{}] });
  expect(withMember({ a: 1 }, 'a', undefined)).toBeUndefined();
  expect(withMember(null, 'a', 1)).toEqual({ a: 1 });
});

test('keeps secrets from one scheme to the next, as far as they are of one kind', () => {
  const stripe = { scheme: 'stripe', secret: 's', tolerance: '1m' };
  expect(withScheme(stripe, 'slack')).toEqual({ scheme: 'slack', secret: 's', tolerance: '1m' });
  expect(withScheme(stripe, 'github')).toEqual({ scheme: 'github', secret: 's' });
  expect(withScheme(stripe, 'sendgrid')).toEqual({ scheme: 'sendgrid', tolerance: '1m' });
  expect(withScheme(stripe, undefined)).toBeUndefined();
  expect(withKeys(stripe, ['a', 'b'])).toEqual({ scheme: 'stripe', tolerance: '1m', secrets: ['a', 'b'] });
  expect(withKeys({ scheme: 'sendgrid' }, 'k')).toEqual({ scheme: 'sendgrid', publicKey: 'k' });
  expect(withKind({ bearer: 's' }, 'query')).toEqual({ query: 'key', value: 's' });
  expect(withKind({ query: 'a', value: ['a', 'b'] }, 'bearer')).toEqual({ bearer: ['a', 'b'] });
});

test.each([
  [['timestamp', '.', 'body'], '{timestamp}.{body}'],
  [['id', '.', 'timestamp', '.', 'body'], '{id}.{timestamp}.{body}'],
  [['v0', ':', 'header:X-Time', '\n', 'body'], 'v0:{header:X-Time}\n{body}'],
  [['text:nonce', 'body'], 'nonce{body}'],
  [['text:body', 'body'], 'body{body}'],
])('what is signed is %j, as a text %j', (parts, text) => {
  expect(textOfSigned(parts)).toBe(text);
  const read = signedOfText(text);
  expect(textOfSigned(read!)).toBe(text);
  // Texts that follow one another are one.
  if (!parts.includes('v0')) expect(read).toEqual(parts);
});

test.each([
  ['{{$context.body.a}}', '{{$context.body.a}}'],
  ['12.5', 12.5],
  ['true', true],
  ['null', null],
  ['"12"', '12'],
  ['1e5', '1e5'],
  ['"', '"'],
])('an operand that is written %s is %j', (text, value) => {
  expect(operandOf(text)).toBe(value);
  expect(textOfOperand(value)).toBe(text);
});

test('shows conditions that are a list of comparisons', () => {
  const equal = { calculator: 'equal', operands: ['{{$context.body.a}}', 1] };
  const group = (calculations: unknown[], type = 'and') => ({ group: { type, calculations } });
  expect(isListed(group([equal, { ...equal, calculator: 'includes' }], 'or'))).toBe(true);
  for (const other of [equal, {}, null, group([group([equal])]), group([equal], 'xor')]) {
    expect(isListed(other)).toBe(false);
  }
  for (const odd of [{ operands: [1] }, { calculator: 'later' }, { operands: [1, {}] }, { more: 1 }]) {
    expect(isListed(group([{ ...equal, ...odd }]))).toBe(false);
  }
  expect(isFilter({ calculation: group([equal]), reply: { statusCode: 204, body: [1] } })).toBe(true);
  expect(isFilter({ calculation: group([equal]), later: 1 })).toBe(false);
  expect(isFilter({ calculation: group([equal]), reply: { later: 1 } })).toBe(false);
});

test('every sender is recognised by what it fills in, and needs secrets alone', () => {
  for (const { name, sidehook } of SENDERS) {
    const set = withSender(undefined, name, 'https://a.example/');
    expect(set, name).toMatchObject(sidehook);
    expect(senderOf(set)?.name).toBe(name);
    const missing = Object.keys(validateTrigger({ sidehook: set }) ?? {});
    for (const path of missing) {
      expect(path, name).toMatch(/^sidehook\.(signature(\.(secret|publicKey|aesKey|topicArn))?|challenge)$/);
    }
  }
});

/** What is known to two sides only, and is told by whoever fills in the form. */
const OWN = ['secret', 'publicKey', 'aesKey', 'receiver', 'token', 'topicArn', 'appId', 'apiV3Key', 'url'];

test('the senders whose addresses are offered are those that sidehook knows', () => {
  const file = new URL('../../src/webhook/admission/published_ranges.json', import.meta.url);
  expect(PUBLISHED).toEqual(Object.keys(JSON.parse(readFileSync(file, 'utf8'))).sort());
});

test('senders are those of the document', () => {
  const document = readFileSync(new URL('../../docs/senders.md', import.meta.url), 'utf8');
  const rows = [...document.matchAll(/^\| ([^|]+) \| `(\{.*\})` \| ?(.*?) ?\|$/gm)];
  expect(rows.length).toBeGreaterThan(20);
  const known = rows.map(([, name, settings, id]) => {
    const sidehook = JSON.parse(settings!, (member, value) => (OWN.includes(member) ? undefined : value));
    const [, place = ''] = /`(.*)`/.exec(id!) ?? [];
    const from = place.includes('-') ? `header:${place.toLowerCase()}` : `body:${place}`;
    return [name, { ...sidehook, ...(place ? { idempotency: { from } } : {}) }];
  });
  // JSON inside of forms is no matter of signatures.
  const filled = SENDERS.map(({ name, sidehook: { parse, ...others } }) => [name, others]);
  expect(Object.fromEntries(filled)).toEqual(Object.fromEntries(known));
});

test('choosing another sender takes away what was set for the one before, and nothing else', () => {
  const github = withSender({ methods: ['POST'], later: 1 }, 'GitHub')!;
  (github.signature as Extensions).secret = 's';
  const stripe = withSender(github, 'Stripe')!;
  expect(stripe).toEqual({
    methods: ['POST'],
    later: 1,
    signature: { scheme: 'stripe', secret: 's' },
    idempotency: { from: 'body:id' },
  });
  expect(withSender(stripe, undefined)).toEqual({ methods: ['POST'], later: 1 });
  expect(withSender(undefined, undefined)).toBeUndefined();
});

test('a sender that signs the URL is told the one of the webhook, unless there is another', () => {
  const square = withSender(undefined, 'Square', 'https://a.example/k')!;
  expect(square.signature).toEqual({ scheme: 'square', url: 'https://a.example/k' });
  const proxied = { signature: { scheme: 'square', url: 'https://b.example/' } };
  expect(withSender(proxied, 'Twilio', 'https://a.example/k')!.signature).toEqual({
    scheme: 'twilio',
    url: 'https://b.example/',
  });
});
