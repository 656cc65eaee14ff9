// The members of `sidehook` and their shapes, as sidehook reads them in `src/webhook/admission`, `src/webhook/cors.rs`
// and `src/webhook/body/options.rs`. `tests/webhook/shapes.json` holds both sides to it.

import { HARMLESS, LEVELS } from './extensions';
import { challenge, signature } from './schemes';
import {
  choice,
  DAY,
  duration,
  durationUpTo,
  FAULTS,
  flag,
  header,
  isObject,
  list,
  number,
  object,
  objectOr,
  oneOrMore,
  secrets,
  type Shape,
  size,
  text,
  texts,
  which,
} from './shapes';

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
/** Senders whose addresses sidehook knows (`published_ranges.json`). */
export const PUBLISHED = ['github', 'gitlab', 'paddle', 'pagerduty', 'stripe', 'svix', 'telegram'];
/** RFC 7518 and RFC 8037. */
export const ALGORITHMS = 'HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA'.split(
  ' ',
);

const MAX_REQUESTS = 100_000;
const MAX_PARSED = 20;
const MAX_COMPARISONS = 100;
/** Those of NocoBase's basic conditions. */
const CALCULATORS =
  'equal == notEqual != gt > gte >= lt < lte <= includes notIncludes startsWith notStartsWith endsWith notEndsWith'.split(
    ' ',
  );

const webUrl = which(FAULTS.url, (value) => typeof value === 'string' && /^https?:\/\/[^/\s]/i.test(value));
const address = which(FAULTS.address, (value) => PUBLISHED.includes(value as string) || isRange(value));
const origin = which(FAULTS.origin, isOrigin);

const place = which(
  FAULTS.place,
  (value) =>
    typeof value === 'string' && /^(body|header:[\w!#$%&'*+\-.^`|~]+|(query|body):[^$.].*)$/s.test(value),
);
const anything: Shape = () => {};

const token = object({
  header,
  query: text,
  value: secrets,
  bearer: secrets,
  jwt: (value, path, tell) => {
    const shape = object(
      {
        algorithms: oneOrMore(choice(ALGORITHMS)),
        secret: secrets,
        publicKey: secrets,
        jwks: webUrl,
        issuer: texts,
        audience: texts,
        leeway: (time, at, told) => Number(time) === 0 || duration(time, at, told),
      },
      ['algorithms'],
    );
    shape(value, path, tell);
    if (!isObject(value)) return;
    const key = oneOf(value, ['secret', 'publicKey', 'jwks'], path, tell);
    const isSuited = (name: unknown) => (key === 'secret') === /^HS/.test(String(name));
    const known = texted(value.algorithms).filter((name) => ALGORITHMS.includes(name as string));
    if (key && !known.every(isSuited)) tell(`${path}.algorithms`, FAULTS.algorithm);
  },
});

export const SHAPES: Record<string, Shape> = {
  context: which('Only "full" is known here.', HARMLESS.context),
  path: which('The path has to look like orders/:id.', HARMLESS.path),
  log: choice(LEVELS),
  methods: list(choice(METHODS)),
  auth: (value, path, tell) => {
    token(value, path, tell);
    if (!isObject(value)) return;
    const way = oneOf(value, ['header', 'query', 'bearer', 'jwt'], path, tell);
    const isNamed = way === 'header' || way === 'query';
    if (way && isNamed !== (value.value != null)) {
      tell(`${path}.value`, isNamed ? FAULTS.missing : FAULTS.beside);
    }
  },
  signature,
  ipAllowlist: oneOrMore(address),
  rateLimit: object(
    {
      requests: number(1, MAX_REQUESTS),
      per: durationUpTo(DAY),
      burst: number(1, MAX_REQUESTS),
      by: objectOr(object({ header }, ['header']), choice(['workflow', 'address'])),
    },
    ['requests'],
  ),
  bodyLimit: size,
  cors: (value, path, tell) => {
    if (value === false) return;
    const names = oneOrMore(header);
    const members = { origins: oneOrMore(origin), credentials: flag, headers: names, exposedHeaders: names };
    object({ ...members, maxAge: duration }, ['origins'])(value, path, tell);
    if (!isObject(value)) return;
    const origins = texted(value.origins);
    if (origins.includes('*') && origins.length > 1) tell(`${path}.origins`, FAULTS.beside);
    if (origins.includes('*') && value.credentials === true) tell(`${path}.credentials`, FAULTS.beside);
  },
  idempotency: (value, path, tell, sidehook) => {
    if (value === false) return;
    const config = value === true ? {} : value;
    const from = isObject(config) ? config.from : undefined;
    const isOfSender = from == null || from === 'signature';
    object({ from: isOfSender ? anything : place, ttl: duration, required: flag })(config, path, tell);
    if (isObject(config) && isOfSender && sidehook?.signature == null) tell(`${path}.from`, FAULTS.missing);
  },
  challenge,
  filter: object(
    {
      engine: choice(['basic']),
      calculation: (value, path, tell) => {
        if (!(comparisonsIn(value) <= MAX_COMPARISONS)) tell(path, FAULTS.condition);
      },
      reply: object({ statusCode: anything, headers: anything, body: anything }),
    },
    ['calculation'],
  ),
  parse: (value, path, tell) => {
    if (!Array.isArray(value)) return tell(path, FAULTS.list);
    if (value.length > MAX_PARSED) tell(path, FAULTS.number);
    for (const [index, field] of value.entries()) {
      if (typeof field !== 'string' || !field) tell(`${path}.${index}`, FAULTS.text);
    }
  },
  rawBody: flag,
};

const texted = (value: unknown): unknown[] => [value ?? []].flat();

/** How many comparisons and groups a condition has; NaN for what is none. */
function comparisonsIn(condition: unknown): number {
  if (!isObject(condition)) return NaN;
  const { group, calculator, operands } = condition;
  if (group === undefined) {
    return CALCULATORS.includes(calculator as string) && Array.isArray(operands) && operands.length ? 1 : NaN;
  }
  const { type, calculations } = isObject(group) ? group : { type: undefined, calculations: undefined };
  const isGroup = (type === 'and' || type === 'or') && Array.isArray(calculations) && calculations.length > 0;
  return isGroup ? calculations.reduce((sum: number, one) => sum + comparisonsIn(one), 1) : NaN;
}

/** The one of some members that is there; tells where there is none, or more than one. */
function oneOf(
  value: Record<string, unknown>,
  names: string[],
  path: string,
  tell: (path: string, fault: string) => void,
): string | undefined {
  const found = names.filter((name) => value[name] != null);
  if (found.length !== 1) tell(path, found.length ? FAULTS.beside : FAULTS.missing);
  return found.length === 1 ? found[0] : undefined;
}

/** An address or a range of addresses. */
function isRange(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const [, host = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(value.trim()) ?? [];
  const isV6 = host.includes(':');
  if (bits !== undefined && Number(bits) > (isV6 ? 128 : 32)) return false;
  if (!isV6) {
    const parts = host.split('.');
    return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
  }
  try {
    return Boolean(new URL(`http://[${host}]/`));
  } catch {
    return false;
  }
}

function isOrigin(value: unknown): boolean {
  if (value === '*') return true;
  try {
    return typeof value === 'string' && new URL(value).origin === value && value !== 'null';
  } catch {
    return false;
  }
}
