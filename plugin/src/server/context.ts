// The `$context` of an execution: what the trigger picks of a request, or the request as a whole. The rules are
// those of sidehook's `src/webhook/context.rs`.

import { compile, type JSONPathQuery } from 'json-p3';
import get from 'lodash/get';
import qs from 'qs';
import { isObject, type Item, type TriggerConfig } from './config';

export interface Incoming {
  /** Names and values in turn, as node reads them. */
  rawHeaders: string[];
  /** Without `?`, still encoded. */
  query: string;
  /** Undefined when there was none. */
  body: unknown;
}

type Members = [string, unknown][];

/** Headers that never enter a context, not even when they are configured. */
const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie'];
/** Headers that prove who the sender is; they enter a context only when they are configured. */
const PROOFS = ['x-gitlab-token', 'x-goog-channel-token', 'x-telegram-bot-api-secret-token', 'x-api-key'];

export function buildContext(config: TriggerConfig, incoming: Incoming): Record<string, unknown> {
  const request = isObject(config.request) ? config.request : undefined;
  const isWhole = !request || config.sidehook?.context === 'full';
  const headers = joinHeaders(incoming.rawHeaders);
  const query = qs.parse(incoming.query);
  const items = (part: 'headers' | 'query' | 'body') => namedKeys(request?.[part]);
  const context: Members = [
    [
      'headers',
      members([...(isWhole ? withoutSecrets(headers) : []), ...pickHeaders(items('headers'), headers)]),
    ],
    ['query', members([...(isWhole ? Object.entries(query) : []), ...pick(items('query'), query)])],
  ];
  if (request) context.push(['body', members(pick(items('body'), incoming.body))]);
  if (isWhole) context.push(['data', incoming.body], ['params', {}]);
  return members(context);
}

/** All values of a header as one (RFC 9110, section 5.2). */
function joinHeaders(raw: string[]): Map<string, string> {
  const joined = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const before = joined.get(name);
    joined.set(name, before === undefined ? raw[i + 1]! : `${before}, ${raw[i + 1]}`);
  }
  return joined;
}

function withoutSecrets(headers: Map<string, string>): Members {
  const isSecret = (name: string) =>
    CREDENTIALS.includes(name) ||
    PROOFS.includes(name) ||
    name.includes('signature') ||
    name.includes('hmac');
  return [...headers].filter(([name]) => !isSecret(name));
}

function pickHeaders(items: [string, string][], headers: Map<string, string>): Members {
  const allowed = items.filter(([key]) => !CREDENTIALS.includes(key.toLowerCase()));
  return allowed.map(([key, name]) => [name, headers.get(key.toLowerCase())]);
}

function pick(items: [string, string][], source: unknown): Members {
  return items.map(([key, name]) => {
    const query = jsonPath(key);
    return [name, query ? find(query, source) : get(source, key)];
  });
}

/** A key that starts with `$` is a JSONPath if it reads as one; `$filter` does not. */
function jsonPath(key: string): JSONPathQuery | undefined {
  if (!key.startsWith('$')) return;
  try {
    return compile(key);
  } catch {
    return;
  }
}

/** A path that can find one value at most gives that value, any other a list of all. */
function find(query: JSONPathQuery, source: unknown): unknown {
  if (source === undefined) return;
  const values = query.query(source as never).values();
  return query.singularQuery() ? values[0] : values;
}

/** The keys of a list of `{key, alias, _var}` with their names in the context. */
function namedKeys(list: Item[] | undefined): [string, string][] {
  const items = Array.isArray(list) ? list.filter((item) => typeof item?.key === 'string' && item.key) : [];
  return items.map(({ key, _var }) => [key, typeof _var === 'string' && _var ? _var : key]);
}

/** An object of what was found: a path can also lead to nothing or to an inherited method (`list.map`). */
function members(found: Members): Record<string, unknown> {
  return Object.fromEntries(found.filter(([, value]) => value !== undefined && typeof value !== 'function'));
}
