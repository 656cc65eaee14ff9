// A plain HTTP client that keeps a number of connections busy: it costs little beside what it measures.

import net from 'node:net';

/**
 * Sends requests to a port of this machine over so many connections, one after the other on each: until so many seconds are over,
 * or so many `requests` on each. Gives how long all answers took in milliseconds, ascending; how many were not 2xx; and how
 * long everything took in milliseconds.
 */
export async function load({
  port,
  path,
  headers,
  body,
  connections,
  seconds = Infinity,
  requests = Infinity,
}) {
  const lines = [
    `POST ${path} HTTP/1.1`,
    `host: 127.0.0.1:${port}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  const text = `${lines.join('\r\n')}\r\n\r\n${body}`;
  const begun = performance.now();
  const until = begun + seconds * 1000;
  const all = Array.from({ length: connections }, () => keepBusy(port, text, until, requests));
  const parts = await Promise.all(all);
  return {
    latencies: parts.flatMap((part) => part.latencies).sort((a, b) => a - b),
    failures: parts.reduce((sum, part) => sum + part.failures, 0),
    elapsed: performance.now() - begun,
  };
}

function keepBusy(port, text, until, requests) {
  return new Promise((done, failed) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    const latencies = [];
    let failures = 0;
    let answer = '';
    let sent;
    const send = () => {
      answer = '';
      sent = performance.now();
      socket.write(text);
    };
    socket.setEncoding('latin1');
    socket.on('connect', send);
    socket.on('error', failed);
    socket.on('close', () => failed(new Error('the connection was closed')));
    socket.on('data', (chunk) => {
      answer += chunk;
      if (!isWhole(answer)) return;
      latencies.push(performance.now() - sent);
      if (!/^HTTP\/1\.1 2/.test(answer)) failures += 1;
      if (performance.now() < until && latencies.length < requests) return send();
      done({ latencies, failures });
      socket.destroy();
    });
  });
}

/** Whether an answer has come to its end, by its length or by its last chunk. */
function isWhole(answer) {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const head = answer.slice(0, end).toLowerCase();
  const length = /\r\ncontent-length: *(\d+)/.exec(head);
  if (length) return answer.length >= end + 4 + Number(length[1]);
  if (/\r\ntransfer-encoding: *chunked/.test(head)) return answer.endsWith('\r\n0\r\n\r\n');
  return true;
}
