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
  const all = (Array.isArray(headers) ? headers : []).flatMap(readHeader);
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

/** Leaves out what HTTP does not allow, what has no value, and what belongs to the connection. */
function readHeader(item: unknown): [string, string][] {
  if (!isObject(item) || typeof item.name !== 'string') return [];
  if (!['string', 'number', 'boolean'].includes(typeof item.value)) return [];
  const name = item.name.trim();
  const value = String(item.value).trim();
  const isAllowed = /^[\w!#$%&'*+\-.^`|~]+$/.test(name) && /^[\t\x20-\x7e\xa0-\xff]*$/.test(value);
  return isAllowed && !CONNECTION_HEADERS.includes(name.toLowerCase()) ? [[name, value]] : [];
}
