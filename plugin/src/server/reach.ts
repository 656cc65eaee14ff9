// Who answers at the public URLs of webhooks: asks for one that does not exist, as other systems would, and tells by
// the answer. Nothing starts by that.

import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { causeOf } from './manage';

/** A request with this header is such a question; where an answer has it, it came by way of this plugin. */
export const PROBE_HEADER = 'x-sidehook-probe';

const PATIENCE_MS = 5000;
const MOST_CHARACTERS = 10_000;
/** In the words of `src/webhook/refusal.rs`. */
const NOT_FOUND = 'No enabled webhook workflow has this key.';

export interface Reached {
  /** The beginning of all URLs of webhooks. */
  url: string;
  by:
    | 'sidehook'
    /** By way of NocoBase. */
    | 'handed'
    /** NocoBase, which hands nothing on. */
    | 'nocobase'
    /** NocoBase, which cannot reach the sidehook to which it hands calls on. */
    | 'lost'
    | 'other'
    | 'nobody';
  status: number | null;
  error: string | null;
}

/** Where NocoBase is for the one who asks: never another host. A proxy may not say that it has decrypted. */
export function publicUrl(
  headers: IncomingHttpHeaders,
  isEncrypted: boolean,
  apiBasePath = '/api/',
): string | undefined {
  const first = (name: string) =>
    String(headers[name] ?? '')
      .split(',')[0]!
      .trim();
  const host = first('x-forwarded-host') || first('host');
  if (!/^[\w.-]+(:\d+)?$|^\[[\da-f:.]+\](:\d+)?$/i.test(host)) return;
  const protocol = isEncrypted || first('x-forwarded-proto') === 'https' ? 'https' : 'http';
  return `${protocol}://${host}${`/${apiBasePath}/`.replace(/\/+/g, '/')}`;
}

/** Asks for a webhook below `base`. `isForwarding` says whether this NocoBase hands calls on. */
export async function reach(base: string, isForwarding: boolean): Promise<Reached> {
  const url = `${base}webhook:trigger/`;
  const nonce = randomUUID();
  const asked = { url, status: null, error: null };
  try {
    const response = await fetch(`${url}${nonce}`, {
      headers: { [PROBE_HEADER]: nonce, 'x-request-id': nonce },
      redirect: 'manual',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = (await response.text()).slice(0, MOST_CHARACTERS);
    // NocoBase numbers requests by itself, sidehook takes a number over.
    const isSidehook =
      response.status === 404 &&
      (response.headers.get('x-request-id') === nonce || text.includes(JSON.stringify(NOT_FOUND)));
    return { ...asked, status: response.status, by: whose(response.headers.has(PROBE_HEADER), isSidehook) };
  } catch (error) {
    return { ...asked, by: 'nobody', error: causeOf(error) };
  }

  function whose(isMarked: boolean, isSidehook: boolean): Reached['by'] {
    if (!isMarked) return isSidehook ? 'sidehook' : 'other';
    if (!isForwarding) return 'nocobase';
    return isSidehook ? 'handed' : 'lost';
  }
}
