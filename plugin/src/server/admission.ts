// Who may start a workflow: basic authentication by RFC 7617.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { TriggerConfig } from './config';
import { Refusal } from './refusal';

/** Refuses a request without the configured credentials. */
export function checkCredentials(
  expected: TriggerConfig['basicAuthentication'],
  authorization: string | undefined,
) {
  if (!expected) return;
  const given = credentials(authorization);
  const { username, password } = expected;
  // Both parts are compared even if the first differs, and as digests, which have one length. A trigger
  // without a name and a password that could be compared lets nobody in.
  const isUsable = typeof username === 'string' && typeof password === 'string';
  const isUser = equal(given?.username, isUsable ? username : '');
  const isPassword = equal(given?.password, isUsable ? password : '');
  if (isUsable && given && isUser && isPassword) return;
  throw new Refusal(401, 'The credentials are missing or wrong.', {
    'WWW-Authenticate': 'Basic realm="webhook", charset="UTF-8"',
  });
}

function credentials(authorization = '') {
  const encoded = /^basic +(.*)$/i.exec(authorization)?.[1];
  if (encoded === undefined) return;
  const text = Buffer.from(encoded.trim(), 'base64').toString('utf8');
  // A user name has no colon, a password may have some.
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function equal(given = '', expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
