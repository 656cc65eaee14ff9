// What a caller is answered, by the rules of sidehook's `src/webhook/reply.rs`.

import { isObject } from './config';
import { Refusal } from './refusal';

export interface Reply {
  status: number;
  headers: [string, string][];
  /** Undefined for an answer with neither a body nor a content type. */
  body?: { type: string; text: string };
}

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';
/** Statuses whose answers have no body (RFC 9110, section 15). */
const EMPTY = [204, 205, 304];
/** What belongs to the connection (RFC 9110, section 7.6.1). */
const CONNECTION_HEADERS = [
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** The answer of `{statusCode, headers: [{name, value}], body}`, the result of a response node. */
export function replyOf(result: unknown): Reply {
  const { statusCode, headers, body }: Record<string, unknown> = isObject(result) ? result : {};
  const status = readStatus(statusCode);
  const all = readHeaders(headers, status);
  const isType = ([name]: [string, string]) => name.toLowerCase() === 'content-type';
  const type = all.filter(isType).pop()?.[1];
  const reply: Reply = { status, headers: all.filter((header) => !isType(header)) };
  if (body != null && !EMPTY.includes(status)) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    if (text !== undefined)
      reply.body = { type: type ?? (typeof body === 'string' ? TEXT_TYPE : JSON_TYPE), text };
  }
  return reply;
}

/** The answer when no response node was reached. */
export function replyOfStatus(isResolved: boolean): Reply {
  return { status: isResolved ? 200 : 500, headers: [] };
}

/** A refusal as an answer. */
export function replyOfRefusal(refusal: Refusal): Reply {
  return {
    status: refusal.status,
    headers: Object.entries(refusal.headers),
    body: { type: JSON_TYPE, text: refusal.body() },
  };
}

function readStatus(value: unknown): number {
  const isGiven = typeof value === 'number' || typeof value === 'string';
  const number = value == null ? 200 : isGiven ? Number(value) : NaN;
  if (Number.isInteger(number) && number >= 200 && number < 600) return number;
  throw new Refusal(500, 'The status code of the response is not a whole number from 200 to 599.');
}

/**
 * The headers of a list of `{name, value}`, by the rules of sidehook's `src/field.rs`: leaves out what has no name or
 * value, and what belongs to the connection, and percent-encodes URLs. Throws for others that HTTP cannot carry.
 */
export function readHeaders(list: unknown, status: unknown): [string, string][] {
  return (Array.isArray(list) ? list : []).flatMap((item): [string, string][] => {
    const name = isObject(item) && typeof item.name === 'string' ? item.name.trim() : '';
    if (!name || CONNECTION_HEADERS.includes(name.toLowerCase())) return [];
    const value = readValue(name, item.value);
    if (value === undefined && name.toLowerCase() === 'location' && isRedirection(status)) {
      throw unsendable(name, 'it has no value, so nobody is told where to go');
    }
    return value === undefined ? [] : [[name, value]];
  });
}

function readValue(name: string, given: unknown): string | undefined {
  if (!['string', 'number', 'boolean'].includes(typeof given)) return;
  const value = String(given).trim();
  if (!/^[\w!#$%&'*+\-.^`|~]+$/.test(name)) {
    throw unsendable(name, 'its name has characters that names of headers cannot have');
  }
  if (['location', 'content-location'].includes(name.toLowerCase())) {
    const escape = (char: string) =>
      [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
    return value.replace(/[\x00-\x20"<>\\^`{|}\x7f]|[^\x00-\x7f]+/gu, escape) || undefined;
  }
  if (/[\x00-\x08\x0a-\x1f\x7f-\x9f]/.test(value)) {
    throw unsendable(name, 'its value has line breaks or other control characters');
  }
  if (/[^\x00-\xff]/.test(value)) throw unsendable(name, 'its value has characters beyond ISO 8859-1');
  return value;
}

function isRedirection(status: unknown): boolean {
  const number = Number(status);
  return number >= 300 && number < 400 && number !== 304;
}

function unsendable(name: string, reason: string): Refusal {
  return new Refusal(500, `The header ${JSON.stringify(name)} of the response cannot be sent: ${reason}.`);
}
