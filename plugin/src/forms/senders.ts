// What is known of senders (docs/senders.json), and what choosing one changes in a configuration.

import { isEqual, isPlainObject } from 'lodash';
import { keyNames, SCHEMES } from '../server/schemes';
import { senders } from '../../../docs/senders.json';
import type { Extensions } from './members';

export interface Sender {
  name: string;
  /** Members of `sidehook`, without secrets. */
  sidehook: Extensions;
}

export const SENDERS: Sender[] = senders;

/** The sender of which most is set. */
export function senderOf(sidehook: Extensions | null | undefined): Sender | undefined {
  const fitting = SENDERS.filter((sender) => holds(sidehook, sender.sidehook));
  const size = ({ sidehook: all }: Sender) => JSON.stringify(all).length;
  return fitting.reduce<Sender | undefined>(
    (best, one) => (best && size(best) >= size(one) ? best : one),
    undefined,
  );
}

/**
 * The configuration for a sender, or for none: what was set for the sender before goes, secrets stay. `url` is where the
 * webhook is, for those who sign it.
 */
export function withSender(
  sidehook: Extensions | null | undefined,
  name: string | undefined,
  url?: string,
): Extensions | undefined {
  const before = senderOf(sidehook)?.sidehook ?? {};
  const kept = Object.entries(sidehook ?? {}).filter(([member]) => !(member in before));
  const { signature, ...others } = (SENDERS.find((sender) => sender.name === name)?.sidehook ?? {}) as {
    signature?: Extensions & { scheme: string };
  };
  const changed: Extensions = { ...Object.fromEntries(kept), ...others };
  if (signature) changed.signature = signed(sidehook?.signature as Extensions | undefined, signature, url);
  return Object.keys(changed).length ? changed : undefined;
}

/** A signature as a sender signs, with the secrets that were there. */
function signed(given: Extensions = {}, sender: Extensions & { scheme: string }, url?: string): Extensions {
  const keys = keyNames(sender.scheme).filter((name) => given[name] != null);
  const signsUrl =
    sender.scheme === 'hmac'
      ? (sender.signed as string[] | undefined)?.includes('url')
      : SCHEMES[sender.scheme]!.includes('url');
  const known = signsUrl ? (given.url ?? url) : undefined;
  return {
    ...sender,
    ...Object.fromEntries(keys.map((name) => [name, given[name]])),
    ...(known === undefined ? {} : { url: known }),
  };
}

/** Whether all of `part` is in `whole`. */
function holds(whole: unknown, part: unknown): boolean {
  if (!isPlainObject(part)) return isEqual(whole, part);
  const members = whole as Extensions;
  return (
    isPlainObject(whole) &&
    Object.entries(part as Extensions).every(([name, value]) => holds(members[name], value))
  );
}
