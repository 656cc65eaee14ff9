// Who may start a workflow: the list of checks, as in sidehook's `src/webhook/admission`.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { TriggerConfig } from './config';
import { Refusal } from './refusal';

export interface Head {
  method: string;
  /** Values are ISO 8859-1, names in lower case; of several values the first. */
  header(name: string): string | undefined;
}

type Check = (config: TriggerConfig, head: Head) => void;

/** In the order in which requests are refused. */
export const CHECKS: Check[] = [checkMethod, checkCredentials];

function checkMethod(_: TriggerConfig, { method }: Head) {
  if (method !== 'POST') throw new Refusal(405, 'This webhook answers POST only.', { Allow: 'POST' });
}

/** Basic authentication by RFC 7617: refuses a request without the configured credentials. */
function checkCredentials({ basicAuthentication: expected }: TriggerConfig, head: Head) {
  if (!expected) return;
  const given = credentials(head.header('authorization'));
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
  // Buffer would skip what is not base64.
  if (encoded === undefined || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded.trim())) return;
  const text = Buffer.from(encoded.trim(), 'base64').toString('utf8');
  // A user name has no colon, a password may have some.
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function equal(given = '', expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
