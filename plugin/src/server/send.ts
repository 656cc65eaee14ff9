// Writes an answer, past NocoBase's own wrapping of bodies.

import type { ServerResponse } from 'node:http';
import type { Reply } from './reply';

export function send(response: ServerResponse, reply: Reply): void {
  response.statusCode = reply.status;
  const headers = new Map<string, string[]>();
  for (const [name, value] of reply.headers) headers.set(name, [...(headers.get(name) ?? []), value]);
  for (const [name, values] of headers) response.setHeader(name, values.length === 1 ? values[0]! : values);
  if (reply.body) response.setHeader('Content-Type', reply.body.type);
  response.end(reply.body?.text);
}
