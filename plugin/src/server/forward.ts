// Hands a request on to sidehook as it came: the body unread, so that signatures and multipart survive.

import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { finished } from 'node:stream/promises';
import { headersOf, MAIN } from './application';
import { replyOfRefusal } from './reply';
import { Refusal } from './refusal';
import { send } from './send';

/** Marks a request as handed on. One that comes with it has come round. */
export const HOP_HEADER = 'x-sidehook-hop';

/** Longer than the five minutes that sidehook lets a caller wait at most, unless it is told otherwise. */
const PATIENCE_MS = 600_000;

/** Headers that belong to one connection (RFC 9110, section 7.6.1), and `expect`, which node has answered. */
const HOP_BY_HOP = [
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

// Idle connections are closed before sidehook closes them, after 75 s.
const AGENT_OPTIONS = { keepAlive: true, timeout: 30_000 };
const AGENTS = { 'http:': new http.Agent(AGENT_OPTIONS), 'https:': new https.Agent(AGENT_OPTIONS) };

type Headers = Record<string, string[]>;

/** Answers `request` with what the server at `base` answers of an application; never rejects. */
export async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  base: URL,
  app = MAIN,
): Promise<void> {
  if (request.headers[HOP_HEADER] !== undefined) {
    const message =
      'The webhook came back to NocoBase: SIDEHOOK_URL has to be the address of sidehook itself.';
    return send(response, replyOfRefusal(new Refusal(508, message)));
  }
  try {
    await exchange(request, response, base, app);
  } catch (error) {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const isLate = error instanceof Refusal;
    send(response, replyOfRefusal(isLate ? error : new Refusal(502, 'sidehook cannot be reached.')));
  }
}

async function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  base: URL,
  app: string,
): Promise<void> {
  const isSecure = base.protocol === 'https:';
  const upstream = (isSecure ? https : http).request({
    protocol: base.protocol,
    hostname: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port,
    path: base.pathname.replace(/\/$/, '') + request.url,
    method: request.method,
    headers: { ...forwardedHeaders(request), ...headersOf(app), host: base.host },
    agent: isSecure ? AGENTS['https:'] : AGENTS['http:'],
    timeout: PATIENCE_MS,
  });
  const hangUp = () => upstream.destroy();
  response.once('close', hangUp);
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      upstream.once('response', resolve);
      upstream.on('error', reject);
      upstream.once('timeout', () =>
        upstream.destroy(new Refusal(504, 'sidehook has not answered in time.')),
      );
      request.once('error', reject);
      request.pipe(upstream);
    });
    // An answer may come before all of the body was sent, such as 413: the rest is read and dropped.
    answer.once('end', () => {
      request.unpipe(upstream);
      request.resume();
    });
    response.writeHead(answer.statusCode!, answer.statusMessage, withoutHopByHop(answer));
    answer.pipe(response);
    answer.once('error', () => response.destroy());
    await finished(response);
  } finally {
    response.off('close', hangUp);
  }
}

function forwardedHeaders(request: IncomingMessage): Headers {
  const headers = withoutHopByHop(request);
  const one = (name: string) => request.headers[name] as string | undefined;
  const isEncrypted = 'encrypted' in request.socket && Boolean(request.socket.encrypted);
  const before = headers['x-forwarded-for'] ?? [];
  return {
    ...headers,
    'x-forwarded-for': [[...before, request.socket.remoteAddress ?? 'unknown'].join(', ')],
    'x-forwarded-host': [one('x-forwarded-host') ?? one('host') ?? ''],
    'x-forwarded-proto': [one('x-forwarded-proto') ?? (isEncrypted ? 'https' : 'http')],
    [HOP_HEADER]: ['1'],
  };
}

/** All headers but those of the connection, among them the ones that `connection` names. */
function withoutHopByHop(message: IncomingMessage): Headers {
  const named = (message.headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const kept: Headers = {};
  for (let i = 0; i + 1 < message.rawHeaders.length; i += 2) {
    const name = message.rawHeaders[i]!.toLowerCase();
    if (HOP_BY_HOP.includes(name) || named.includes(name)) continue;
    kept[name] = [...(kept[name] ?? []), message.rawHeaders[i + 1]!];
  }
  return kept;
}
