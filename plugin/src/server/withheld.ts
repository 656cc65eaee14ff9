// Which headers and query parameters stay out of a context, by the rules of sidehook's `src/webhook/withheld.rs`:
// executions are shown to people who must not know what lets a sender in.

import { isObject } from './config';

/** Headers that never enter a context, not even when they are configured. */
const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie'];

/** Words by which a name says that its value is a secret or a proof. */
const WORDS = [
  'accesskey',
  'accesstoken',
  'apikey',
  'auth',
  'authentication',
  'authkey',
  'authorization',
  'authtoken',
  'cookie',
  'credential',
  'hmac',
  'jwt',
  'key',
  'oauth',
  'passwd',
  'password',
  'passphrase',
  'pwd',
  'secret',
  'secretkey',
  'sig',
  'signature',
  'token',
];

/** Whether a header is a credential, its name in lower case. */
export function isCredential(header: string): boolean {
  return CREDENTIALS.includes(header);
}

/** Whether a value of this name enters a context only where it is configured. */
export function isWithheld(name: string): boolean {
  const words = name
    .replace(/(\P{Lu})(?=\p{Lu})/gu, '$1 ')
    .replace(/(?<=\p{L}|\p{N})(\p{Lu})(?=\p{Ll})/gu, ' $1')
    .split(/[^\p{L}\p{N}]+/u);
  return words.some((word) => {
    // `signature256`, `tokens`
    const plain = word.toLowerCase().replace(/[0-9]+$/, '');
    return WORDS.includes(plain) || (plain.endsWith('s') && WORDS.includes(plain.slice(0, -1)));
  });
}

/** A query without the members that are withheld, on all levels. */
export function withoutWithheld(query: unknown): unknown {
  if (Array.isArray(query)) return query.map(withoutWithheld);
  if (!isObject(query)) return query;
  const visible = Object.entries(query).filter(([name]) => !isWithheld(name));
  return Object.fromEntries(visible.map(([name, value]) => [name, withoutWithheld(value)]));
}
