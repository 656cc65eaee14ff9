// Examples made of the configured items: of a body to send, of the context of a manual run, and a line for curl.

import { get, set } from 'lodash';
import type { Item, TriggerConfig } from '../server/config';
import { isWhole, nameOf, parametersOf, rowsOf } from './items';

const TEXT = 'string';

/** A value in which each path of the items leads somewhere. */
export function exampleOf(items: Item[]): Record<string, unknown> | unknown[] {
  const keys = items.map(({ key }) => key).filter((key) => key && !key.startsWith('$'));
  const example = keys.some((key) => /^\[\d/.test(key)) ? [] : {};
  // The longer paths decide what the shorter ones hold.
  const longestFirst = [...keys].sort((a, b) => b.length - a.length);
  for (const key of longestFirst) {
    if (get(example, key) === undefined) set(example, key, TEXT);
  }
  return example;
}

/** What "Execute manually" takes: the context itself, by the names that nodes refer to. */
export function exampleContext(config: TriggerConfig | undefined): Record<string, unknown> {
  const { request } = config ?? {};
  const named = (part: 'query' | 'body') => {
    const items = rowsOf(request, part);
    const example = exampleOf(items);
    return Object.fromEntries(items.map((item) => [nameOf(item), get(example, item.key) ?? TEXT]));
  };
  const headers = Object.fromEntries(rowsOf(request, 'headers').map((item) => [nameOf(item), TEXT]));
  const parameters = parametersOf(config).map((name) => [name, TEXT]);
  return {
    headers,
    query: named('query'),
    ...(request ? { body: named('body') } : {}),
    ...(isWhole(config) ? { data: {} } : {}),
    ...(isWhole(config) || parameters.length ? { params: Object.fromEntries(parameters) } : {}),
  };
}

/** A line for a shell that calls the URL with all that is configured. curl asks for the password itself. */
export function curlLine(url: string, config: TriggerConfig | undefined): string {
  const { basicAuthentication, request } = config ?? {};
  const query = queryString(exampleOf(rowsOf(request, 'query')));
  const headers = rowsOf(request, 'headers').filter(({ key }) => key && !/^content-type$/i.test(key));
  const body = JSON.stringify(exampleOf(rowsOf(request, 'body')));
  return [
    `curl -i ${quote(url + (query ? `?${query}` : ''))}`,
    ...(basicAuthentication ? [`-u ${quote(basicAuthentication.username ?? '')}`] : []),
    ...headers.map(({ key }) => `-H ${quote(`${key}: ${TEXT}`)}`),
    `-H 'Content-Type: application/json'`,
    `-d ${quote(body)}`,
  ].join(' ');
}

const quote = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;

function queryString(value: unknown, prefix = ''): string {
  if (typeof value !== 'object' || value === null) return `${encodeURI(prefix)}=${TEXT}`;
  const nested = Object.entries(value).map(([key, member]) =>
    queryString(member, prefix ? `${prefix}[${key}]` : key),
  );
  return nested.filter(Boolean).join('&');
}
