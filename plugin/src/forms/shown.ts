// What the fields of the part "Security and delivery" can show. All other values are shown as JSON, so that nothing is
// hidden and nothing is lost.

import { CHALLENGES, CHOICES, keyNames, SCHEMES, WITH_TOKEN } from '../server/schemes';
import { isObject } from '../server/shapes';
import { isListed } from './conditions';
import { type Extensions, KEYS, kindOf } from './members';
import { signedOfText, textOfSigned } from './signed';

const LINES_OF_HMAC = ['header', 'prefix', 'separator', 'timestampHeader', 'idHeader'];

/** Whether the fields show all of a signature. */
export function isSignature(value: unknown): boolean {
  const { scheme, ...members } = (value ?? {}) as Extensions;
  if (typeof scheme !== 'string' || !Object.hasOwn(SCHEMES, scheme)) return false;
  const names = keyNames(scheme);
  if (names.every((name) => members[name] != null) && names.length) return false;
  const lines: string[] = SCHEMES[scheme]!.filter((trait) => trait !== 'publicKey' && trait !== 'keyless');
  if (scheme === 'hmac') lines.push(...LINES_OF_HMAC, ...Object.keys(CHOICES));
  if (scheme === 'token') lines.push('header', 'query', 'body');
  return Object.entries(members).every(([name, member]) => {
    if (names.includes(name)) return areSecrets(member);
    if (name === 'signed') return scheme === 'hmac' && isSignedShown(member);
    if (name === 'tolerance' && typeof member === 'number') return true;
    return lines.includes(name) && typeof member === 'string';
  });
}

function isSignedShown(parts: unknown): boolean {
  if (!Array.isArray(parts) || !parts.every((part) => typeof part === 'string')) return false;
  return JSON.stringify(signedOfText(textOfSigned(parts))) === JSON.stringify(parts);
}

/** Whether the fields show all of a key or token. */
export function isToken(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { jwt, ...members } = value;
  const kind = kindOf(value);
  if (!kind) return !Object.keys(value).length;
  if (kind === 'jwt') return !Object.keys(members).length && isJwt(jwt);
  const names = kind === 'bearer' ? ['bearer'] : [kind, 'value'];
  return Object.entries(members).every(
    ([name, member]) =>
      names.includes(name) &&
      (name === kind && kind !== 'bearer' ? typeof member === 'string' : areSecrets(member)),
  );
}

function isJwt(value: unknown): boolean {
  if (!isObject(value) || KEYS.filter((key) => key in value).length > 1) return false;
  return Object.entries(value).every(([name, member]) => {
    if (name === 'algorithms') return areWords(member);
    if (name === 'secret' || name === 'publicKey') return areSecrets(member);
    if (name === 'leeway' && typeof member === 'number') return true;
    return ['jwks', 'issuer', 'audience', 'leeway'].includes(name) && typeof member === 'string';
  });
}

export function isRateLimit(value: unknown): boolean {
  const isShown: Record<string, (member: unknown) => boolean> = {
    requests: isScalar,
    per: isScalar,
    burst: isScalar,
    by: (by) =>
      by === 'workflow' ||
      by === 'address' ||
      (isScalar((by as { header?: unknown } | null)?.header) && Object.keys(by as object).length === 1),
  };
  return isShownBy(value, isShown);
}

export function isCors(value: unknown): boolean {
  if (value === false) return true;
  return isShownBy(value, {
    origins: areWords,
    headers: areWords,
    exposedHeaders: areWords,
    credentials: isFlag,
    maxAge: isScalar,
  });
}

const isFlag = (value: unknown) => typeof value === 'boolean';
const isScalar = (value: unknown) => typeof value === 'string' || typeof value === 'number';

/** Whether a value is an object whose members all can be shown. */
function isShownBy(value: unknown, isShown: Record<string, (member: unknown) => boolean>): boolean {
  if (!isObject(value)) return false;
  return Object.entries(value).every(
    ([name, member]) => Object.hasOwn(isShown, name) && isShown[name]!(member),
  );
}

export function isDuplicates(value: unknown): boolean {
  return (
    typeof value === 'boolean' ||
    isShownBy(value, { from: (member) => typeof member === 'string', ttl: isScalar, required: isFlag })
  );
}

/** A kind, or one with the token that it needs. */
export function isChallenge(value: unknown): boolean {
  if (!isObject(value)) return CHALLENGES.includes(value as string);
  const { type, token, ...rest } = value;
  return WITH_TOKEN.includes(type as string) && areSecrets(token ?? '') && !Object.keys(rest).length;
}

export function isFilter(value: unknown): boolean {
  return isShownBy(value, {
    engine: (engine) => engine === 'basic',
    calculation: isListed,
    reply: (reply) => isShownBy(reply, { statusCode: isScalar, headers: Array.isArray, body: () => true }),
  });
}

export function areSecrets(value: unknown): value is string | string[] {
  return [value].flat().every((one) => typeof one === 'string') && !(Array.isArray(value) && !value.length);
}

export const areWords = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.every((word) => typeof word === 'string') &&
  new Set(value).size === value.length;
