// The echo server of the conformance README, which request nodes call.

import http from 'node:http';

const REASONS = http.STATUS_CODES;

export async function startEcho() {
  const server = http.createServer({ keepAlive: true }, (request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => answer(request, Buffer.concat(chunks).toString('utf8'), response));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return `http://127.0.0.1:${server.address().port}`;
}

function answer(request, body, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://echo');
  const [, kind, number] = /^\/(status|slow)\/(\d+)$/.exec(pathname) ?? [];
  if (pathname === '/close') return request.socket.destroy();
  if (pathname === '/text') return send(response, 200, 'text/plain', 'plain text');
  if (kind === 'status') return sendJson(response, Number(number), { status: Number(number) });
  if (kind === 'slow')
    return setTimeout(() => sendJson(response, 200, { slow: Number(number) }), Number(number));
  const contentType = (request.headers['content-type'] ?? '').split(';')[0].trim();
  const x = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name.startsWith('x-')));
  sendJson(response, 200, {
    method: request.method,
    path: pathname,
    query: [...searchParams],
    contentType,
    x,
    body,
  });
}

function sendJson(response, status, value) {
  const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  send(response, status, 'application/json', JSON.stringify(value).replace(/[\u0080-\uffff]/g, escape));
}

function send(response, status, type, text) {
  response.sendDate = false;
  // Node then keeps the connection without saying so.
  response.removeHeader('connection');
  const headers = {
    server: 'BaseHTTP/0.6',
    date: new Date().toUTCString(),
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'x-echo': '1',
  };
  response.writeHead(status, REASONS[status], headers);
  response.end(status === 204 || status === 304 ? undefined : text);
}
