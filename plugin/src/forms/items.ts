// The rows of "request": what each is called in the context, and how lists change without anything losing its name.

import type { Item, TriggerConfig } from '../server/config';

export type Part = 'headers' | 'query' | 'body';
export type Request = NonNullable<TriggerConfig['request']>;

/** What can stand between the dots of `{{$context.body.name}}`. */
const PLAIN = /^[A-Za-z_$][\w$-]*$/;

export function nameOf(item: Item): string {
  return item._var || item.key;
}

/** Whether a template can refer to an item. */
export function isReferable(item: Item): boolean {
  return PLAIN.test(nameOf(item));
}

/** A new row. Nodes will refer to its name, which therefore stays when the path is changed. */
export function newItem(key: string, others: Item[]): Item {
  const taken = others.map(nameOf);
  if (PLAIN.test(key) && !taken.includes(key)) return { key };
  const words = key.replace(/[^A-Za-z0-9_$]+/g, '_').replace(/^_+|_+$/g, '') || 'item';
  const base = /^\d/.test(words) ? `_${words}` : words;
  let name = base;
  for (let number = 2; taken.includes(name); number += 1) name = `${base}_${number}`;
  return { key, _var: name };
}

/** The row with another path. One that never had a path gets its name now. */
export function withKey(item: Item, key: string, others: Item[]): Item {
  if (!item.key && !item._var) return { ...item, ...newItem(key, others) };
  const { _var, ...rest } = item;
  const name = nameOf(item);
  return name === key ? { ...rest, key } : { ...rest, key, _var: name };
}

/** Rows for all paths of an example, then the rows that it does not have. What was there before stays as it is. */
export function withPaths(rows: Item[], paths: string[]): Item[] {
  const added: Item[] = [];
  const found = paths.map((path) => {
    const before = rows.find(({ key }) => key === path);
    if (before) return before;
    const item = newItem(path, [...rows, ...added]);
    added.push(item);
    return item;
  });
  return [...found, ...rows.filter(({ key }) => !paths.includes(key))];
}

/** `request` with other rows in one of its parts. Without any rows there is none, so that `{}` is never stored. */
export function withRows(request: Request | null | undefined, part: Part, rows: Item[]): Request | undefined {
  const { [part]: _, ...rest } = request ?? {};
  const changed = rows.length ? { ...request, [part]: rows } : rest;
  return Object.keys(changed).length ? changed : undefined;
}

export function rowsOf(request: Request | null | undefined, part: Part): Item[] {
  const rows = request?.[part];
  return Array.isArray(rows) ? rows : [];
}

/** Whether the context holds the request as a whole. */
export function isWhole(config: TriggerConfig | undefined): boolean {
  return !config?.request || config.sidehook?.context === 'full';
}

/** The parameters of `sidehook.path`, such as `id` of `orders/:id`. */
export function parametersOf(config: TriggerConfig | undefined): string[] {
  const path = config?.sidehook?.path;
  const segments = typeof path === 'string' ? path.split('/') : [];
  return segments.filter((segment) => segment.startsWith(':')).map((segment) => segment.slice(1));
}
