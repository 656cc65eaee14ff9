// Real servers on the loopback interface.

import http, { type IncomingMessage, type RequestListener } from 'node:http';
import { onTestFinished } from 'vitest';

/** Serves until the test is over. */
export async function serve(listener: RequestListener): Promise<URL> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
}

export async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
