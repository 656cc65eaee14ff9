// The schemes of `sidehook.signature` and the kinds of `sidehook.challenge`: which members each of them takes. The lists are
// those of sidehook's `src/webhook/admission/signature/schemes.rs` and `src/webhook/challenge/mod.rs`.

import {
  choice,
  DAY,
  durationUpTo,
  FAULTS,
  header,
  isObject,
  list,
  object,
  secret,
  secrets,
  type Shape,
  type Tell,
  text,
  texts,
  which,
} from './shapes';

/** What a scheme takes beside its secrets. With `publicKey` the sender has a private one, with `keyless` nobody has. */
export type Trait =
  | 'publicKey'
  | 'keyless'
  | 'tolerance'
  | 'url'
  | 'aesKey'
  | 'receiver'
  | 'token'
  | 'topicArn'
  | 'appId'
  | 'apiV3Key';

export const SCHEMES: Record<string, Trait[]> = {
  alipay: ['publicKey', 'appId'],
  'aws-sns': ['keyless', 'topicArn', 'tolerance'],
  bitbucket: [],
  'dingtalk-events': ['aesKey', 'receiver', 'tolerance'],
  discord: ['publicKey', 'tolerance'],
  dropbox: [],
  feishu: ['token', 'tolerance'],
  gitea: [],
  github: [],
  gitlab: ['tolerance'],
  hmac: ['tolerance', 'url'],
  hubspot: ['tolerance', 'url'],
  lark: ['token', 'tolerance'],
  line: [],
  linear: ['tolerance'],
  mailgun: ['tolerance'],
  paddle: ['tolerance'],
  sendgrid: ['publicKey', 'tolerance'],
  shopify: [],
  slack: ['tolerance'],
  square: ['url'],
  'standard-webhooks': ['tolerance'],
  stripe: ['tolerance'],
  svix: ['tolerance'],
  token: [],
  twilio: ['url'],
  twitch: ['tolerance'],
  'wechat-pay': ['publicKey', 'apiV3Key', 'tolerance'],
  wecom: ['aesKey', 'receiver', 'tolerance'],
  woocommerce: [],
  zoom: ['tolerance'],
};

/** The values of the members of `hmac` that are choices; the first of each is the default. */
export const CHOICES = {
  encoding: ['hex', 'base64', 'base64url'],
  hash: ['sha256', 'sha1', 'sha384', 'sha512'],
  key: ['text', 'base64', 'hex'],
  timestampUnit: ['seconds', 'milliseconds', 'date'],
};

const character = which(FAULTS.text, (value) => typeof value === 'string' && [...value].length === 1);

const OF_HMAC: Record<string, Shape> = {
  header,
  prefix: text,
  separator: character,
  encoding: choice(CHOICES.encoding),
  hash: choice(CHOICES.hash),
  key: choice(CHOICES.key),
  signed: list(which(FAULTS.text, (value) => typeof value === 'string')),
  timestampHeader: header,
  timestampUnit: choice(CHOICES.timestampUnit),
  idHeader: header,
};

const OF_TOKEN: Record<string, Shape> = { header, query: text, body: text };

const url = which(FAULTS.url, (value) => {
  if (typeof value !== 'string') return false;
  try {
    const { protocol, hash } = new URL(value);
    return (protocol === 'http:' || protocol === 'https:') && !hash;
  } catch {
    return false;
  }
});

const OF_TRAITS: Record<Trait, Record<string, Shape>> = {
  publicKey: {},
  keyless: {},
  tolerance: { tolerance: durationUpTo(7 * DAY) },
  url: { url },
  aesKey: { aesKey: secret },
  receiver: { receiver: text },
  token: { token: secrets, tokens: secrets },
  topicArn: { topicArn: texts },
  appId: { appId: text },
  apiV3Key: { apiV3Key: secret },
};
const NEEDED: Trait[] = ['url', 'aesKey', 'topicArn'];

/** The names under which a scheme has one and several keys; none where there are no keys. */
export function keyNames(scheme: string): string[] {
  const traits = SCHEMES[scheme] ?? [];
  if (traits.includes('keyless')) return [];
  return traits.includes('publicKey') ? ['publicKey', 'publicKeys'] : ['secret', 'secrets'];
}

/** `{scheme, secret | secrets, …}` */
export const signature: Shape = (value, path, tell) => {
  if (!isObject(value)) return tell(path, FAULTS.object);
  const { scheme } = value;
  if (typeof scheme !== 'string' || !Object.hasOwn(SCHEMES, scheme)) {
    return tell(`${path}.scheme`, scheme == null ? FAULTS.missing : FAULTS.choice);
  }
  const traits = SCHEMES[scheme]!;
  const keys = keyNames(scheme);
  const own = scheme === 'hmac' ? OF_HMAC : scheme === 'token' ? OF_TOKEN : {};
  const shapes = [...traits.map((trait) => OF_TRAITS[trait]), ...keys.map((name) => ({ [name]: secrets }))];
  const needed = scheme === 'hmac' ? ['header'] : NEEDED.filter((trait) => traits.includes(trait));
  object(Object.assign({ scheme: text }, own, ...shapes), needed)(value, path, tell);
  const hasToken = checkPair(value, ['token', 'tokens'], path, tell);
  const hasKey = checkPair(value, keys, path, tell);
  if (!hasKey && !hasToken && keys.length) {
    // Feishu may do with the one or the other.
    tell(traits.includes('token') ? path : `${path}.${keys[0]}`, FAULTS.missing);
  }
  if (scheme === 'hmac') checkHmac(value, path, tell);
  if (scheme === 'token' && Object.keys(OF_TOKEN).filter((name) => value[name] != null).length !== 1) {
    tell(path, FAULTS.beside);
  }
};

/** Questions of senders that are answered. The first ones need nothing, the next ones what the scheme of their name has. */
const BARE = ['discord', 'dropbox', 'mailchimp', 'microsoft-graph', 'slack', 'trello', 'twitch', 'xero'];
const OF_SCHEMES = ['aws-sns', 'dingtalk-events', 'feishu', 'lark', 'wecom', 'zoom'];
/** Those that have a token of their own. */
export const WITH_TOKEN = ['hub', 'meta'];
export const CHALLENGES = [...BARE, ...OF_SCHEMES, ...WITH_TOKEN].sort();

/** A kind, or `{type, …}`; what it needs may be in the signature. */
export const challenge: Shape = (value, path, tell, sidehook) => {
  const { type, ...own } = isObject(value) ? value : { type: value };
  if (!CHALLENGES.includes(type as string)) return tell(path, FAULTS.choice);
  const kind = type as string;
  const { scheme } = isObject(sidehook?.signature) ? sidehook.signature : { scheme: undefined };
  if (BARE.includes(kind)) return object({ type: text })({ ...own, type }, path, tell);
  if (!Object.keys(own).length) {
    if (scheme !== kind) tell(path, FAULTS.source);
  } else if (WITH_TOKEN.includes(kind)) {
    object({ type: text, token: secrets, tokens: secrets })(value, path, tell);
    if (!checkPair(own, ['token', 'tokens'], path, tell)) tell(`${path}.token`, FAULTS.missing);
  } else {
    signature({ ...own, scheme: kind }, path, tell);
    if (kind === 'zoom' && 'tolerance' in own) tell(`${path}.tolerance`, FAULTS.unknown);
  }
};

/** Whether there is the one or the other; both are a fault. */
function checkPair(value: Record<string, unknown>, names: string[], path: string, tell: Tell): boolean {
  const found = names.filter((name) => value[name] != null);
  if (found.length > 1) tell(`${path}.${found[1]}`, FAULTS.beside);
  return found.length > 0;
}

/** What is not signed is no proof of anything, so the body and a time that is looked at have to be. */
function checkHmac(value: Record<string, unknown>, path: string, tell: Tell) {
  const has = (name: string) => value[name] != null;
  const signed = Array.isArray(value.signed) ? value.signed : has('timestampHeader') ? [] : ['body'];
  if (!signed.includes('body') || signed.includes('timestamp') !== has('timestampHeader')) {
    tell(`${path}.signed`, FAULTS.signed);
  } else if (signed.includes('id') && !has('idHeader')) tell(`${path}.idHeader`, FAULTS.missing);
  else if (signed.some((part) => typeof part !== 'string' || !isPart(part)))
    tell(`${path}.signed`, FAULTS.signed);
  if (signed.includes('url') !== has('url')) {
    tell(`${path}.url`, has('url') ? FAULTS.beside : FAULTS.missing);
  }
  for (const name of ['tolerance', 'timestampUnit']) {
    if (has(name) && !has('timestampHeader')) tell(`${path}.${name}`, FAULTS.beside);
  }
}

/** A word for a part of the request, or a text that stands for itself. */
function isPart(part: string): boolean {
  const words = ['body', 'timestamp', 'id', 'method', 'path', 'query', 'url'];
  if (words.includes(part) || part.startsWith('text:')) return true;
  if (part.startsWith('header:')) return /^[\w!#$%&'*+\-.^`|~]+$/.test(part.slice('header:'.length));
  // Longer words would be taken for a text where a part was meant.
  return part.length <= 2 || !/^\p{L}+$/u.test(part);
}
