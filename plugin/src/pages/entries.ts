// The requests on the screen, as they change: what is looked at again, and how that is joined to what was there.

import type { RequestRow } from '../server/requests';

export type Entry = RequestRow;

/** The most that is asked for at once; the server gives no more. */
export const MOST = 200;

/** Only for so many of the newest requests is it followed how they end. */
const FOLLOWED = 50;

/**
 * The id above which to look again: below it nothing changes any more. Undefined where everything has to be looked at.
 */
export function anchorOf(entries: Entry[]): string | undefined {
  const statuses = entries.slice(0, FOLLOWED).map(({ status }) => status);
  return entries[statuses.lastIndexOf(null) + 1]?.id;
}

/** The requests after a look above `anchor` has found some, newest first. */
export function merged(before: Entry[], anchor: string | undefined, found: Entry[]): Entry[] {
  const from = before.findIndex(({ id }) => id === anchor);
  // Beyond the most there may be some between what is found and what was there.
  if (from === -1 || found.length >= MOST) return found;
  return [...found, ...before.slice(from)];
}

/** How an answer looks, by its status. */
export function colourOf({ status }: Pick<Entry, 'status'>): string {
  if (status === null) return 'default';
  if (status < 300) return 'success';
  if (status < 400) return 'processing';
  return status < 500 ? 'warning' : 'error';
}

/** Path and query. */
export const urlOf = ({ path, query }: Pick<Entry, 'path' | 'query'>) => path + (query && `?${query}`);
