// The `$context` of an execution: what the trigger picks of a request, or the request as a whole. The rules are
// those of sidehook's `src/webhook/context.rs`.

import { JSONPathEnvironment, type JSONPathQuery, JSONPathRecursionLimitError } from 'json-p3';
import get from 'lodash/get';
import qs from 'qs';
import { isObject, type Item, type TriggerConfig } from './config';
import { Refusal } from './refusal';
import { isCredential, isWithheld, withoutWithheld } from './withheld';

export interface Incoming {
  /** Names and values in turn, as node reads them. */
  rawHeaders: string[];
  /** Without `?`, still encoded. */
  query: string;
  /** Undefined when there was none. */
  body: unknown;
}

type Members = [string, unknown][];

/** The most values that the JSONPaths of a trigger may find in one request, with all that is in them. sidehook, which
 * does nothing else meanwhile, allows for more. */
const MAX_FOUND = 500_000;
/** How long they may search. */
const SEARCH_MS = 1000;
/** Deeper than sidehook reads a body. */
const JSON_PATH = new JSONPathEnvironment({ maxRecursionDepth: 1000 });

export function buildContext(config: TriggerConfig, incoming: Incoming): Record<string, unknown> {
  const request = isObject(config.request) ? config.request : undefined;
  const isWhole = !request || config.sidehook?.context === 'full';
  const headers = joinHeaders(incoming.rawHeaders);
  const query = qs.parse(incoming.query);
  const shown = Object.entries(withoutWithheld(query) as object);
  const search: Search = { left: MAX_FOUND, deadline: Date.now() + SEARCH_MS };
  const items = (part: 'headers' | 'query' | 'body') => namedKeys(request?.[part]);
  const context: Members = [
    ['headers', members([...(isWhole ? visible(headers) : []), ...pickHeaders(items('headers'), headers)])],
    ['query', members([...(isWhole ? shown : []), ...pick(items('query'), query, search)])],
  ];
  if (request) context.push(['body', members(pick(items('body'), incoming.body, search))]);
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

function visible(headers: Map<string, string>): Members {
  return [...headers].filter(([name]) => !isWithheld(name));
}

function pickHeaders(items: [string, string][], headers: Map<string, string>): Members {
  const allowed = items.filter(([key]) => !isCredential(key.toLowerCase()));
  return allowed.map(([key, name]) => [name, headers.get(key.toLowerCase())]);
}

function pick(items: [string, string][], source: unknown, search: Search): Members {
  return items.map(([key, name]) => {
    const query = jsonPath(key);
    return [name, query ? find(query, source, search) : get(source, key)];
  });
}

/** A key that starts with `$` is a JSONPath if it reads as one; `$filter` does not. */
function jsonPath(key: string): JSONPathQuery | undefined {
  if (!key.startsWith('$')) return;
  try {
    return JSON_PATH.compile(key);
  } catch {
    return;
  }
}

/** What the JSONPaths of one request may still take. */
interface Search {
  left: number;
  deadline: number;
}

/** A path that can find one value at most gives that value, any other a list of all. */
function find(query: JSONPathQuery, source: unknown, search: Search): unknown {
  if (source === undefined) return;
  const values: unknown[] = [];
  try {
    for (const { value } of query.lazyQuery(source as never)) {
      if (Date.now() > search.deadline) throw tooMuch();
      weigh(value, search);
      values.push(value);
    }
  } catch (error) {
    throw error instanceof JSONPathRecursionLimitError ? tooMuch() : error;
  }
  return query.singularQuery() ? values[0] : values;
}

/** Counts all that is within a value, because it becomes part of the context once more. */
function weigh(value: unknown, search: Search): void {
  search.left -= 1 + (typeof value === 'string' ? value.length >> 4 : 0);
  if (search.left < 0) throw tooMuch();
  if (typeof value === 'object' && value) for (const child of Object.values(value)) weigh(child, search);
}

function tooMuch(): Refusal {
  return new Refusal(400, 'A JSONPath of this webhook finds too much in this request.');
}

/** The keys of a list of `{key, alias, _var}` with their names in the context. */
export function namedKeys(list: Item[] | undefined): [string, string][] {
  const items = Array.isArray(list) ? list.filter((item) => typeof item?.key === 'string' && item.key) : [];
  return items.map(({ key, _var }) => [key, typeof _var === 'string' && _var ? _var : key]);
}

/** An object of what was found: a path can also lead to nothing or to an inherited method (`list.map`). */
function members(found: Members): Record<string, unknown> {
  return Object.fromEntries(found.filter(([, value]) => value !== undefined && typeof value !== 'function'));
}
