// What a request of the log fills into the three parts of "Request": names of headers, and the paths of query and body.

import { bodyOf } from '../pages/body';
import type { RequestDetail } from '../server/requests';
import { isCredential, isWithheld } from '../server/withheld';
import { type Request, rowsOf, withPaths, withRows } from './items';
import { BrokenJson, parseJson } from './json';
import { pathsOf } from './paths';
import { parseQuery } from './query';

/** Headers that every request has, or that proxies add: they tell nothing of an event. */
const ORDINARY =
  /^(accept|accept-.*|cache-control|connection|content-.*|expect|forwarded|host|keep-alive|origin|pragma|referer|sec-.*|te|traceparent|transfer-encoding|upgrade.*|user-agent|via|x-forwarded-.*|x-real-ip|x-sidehook-.*)$/;

/** `request` with what the sample has, and whether its body could be read. What was there stays. */
export function withSample(request: Request | null | undefined, sample: RequestDetail) {
  const body = bodyPathsOf(sample);
  const parts = {
    headers: headersOf(sample, request),
    query: pathsOf(parseQuery(`?${sample.query}`)),
    body: body ?? [],
  };
  let filled = request ?? undefined;
  for (const part of ['headers', 'query', 'body'] as const) {
    if (parts[part].length) filled = withRows(filled, part, withPaths(rowsOf(filled, part), parts[part]));
  }
  return { request: filled, hasBody: body !== undefined };
}

/** In the case in which they are listed already. */
function headersOf(sample: RequestDetail, request: Request | null | undefined): string[] {
  const listed = rowsOf(request, 'headers').map(({ key }) => key);
  const names = sample.headers.map(([name]) => name).filter((name) => !ORDINARY.test(name));
  const open = [...new Set(names)].filter((name) => !isCredential(name) && !isWithheld(name));
  return open.map((name) => listed.find((key) => key.toLowerCase() === name) ?? name);
}

/** Undefined where the body is not kept as a whole, or is none of which something can be picked by path. */
function bodyPathsOf(sample: RequestDetail): string[] | undefined {
  const { kind, text } = bodyOf(sample);
  if (kind === 'none') return [];
  if (kind !== 'whole' || text === undefined) return;
  if (/^application\/x-www-form-urlencoded\b/i.test(sample.contentType ?? ''))
    return pathsOf(parseQuery(`?${text}`));
  const value = parseJson(text);
  return value instanceof BrokenJson ? undefined : pathsOf(value);
}
