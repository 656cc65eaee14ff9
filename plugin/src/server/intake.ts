// The way of a delivery from a request to the context of an execution, as in sidehook's `src/webhook/intake.rs`:
// checks of its head, its length, what its body says, the context.

import { CHECKS, type Head } from './admission';
import { parseBody } from './body';
import { isObject, type TriggerConfig } from './config';
import { buildContext } from './context';
import { isServed } from './extensions';
import { Refusal } from './refusal';

export interface Incoming {
  method: string;
  /** Names and values in turn, as node reads them. */
  rawHeaders: string[];
  /** Without `?`, still encoded. */
  query: string;
}

export class Intake implements Head {
  private readonly config: TriggerConfig;

  constructor(
    config: unknown,
    private readonly incoming: Incoming,
    private readonly bodyLimit: number,
  ) {
    this.config = isObject(config) ? config : {};
  }

  get method(): string {
    return this.incoming.method;
  }

  header(name: string): string | undefined {
    const { rawHeaders } = this.incoming;
    const at = rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name);
    return at < 0 ? undefined : rawHeaders[at + 1];
  }

  /** Decides by what comes before the body. */
  admit(): void {
    if (!isServed(this.config.sidehook)) {
      throw new Refusal(503, 'The configuration of this webhook cannot be used.');
    }
    for (const check of CHECKS) check(this.config, this);
    this.checkLength(Number(this.header('content-length') ?? 0));
  }

  /** Refuses a body of so many bytes when that is too long. */
  checkLength(length: number): void {
    if (!(length > this.bodyLimit)) return;
    throw new Refusal(413, `The body is larger than ${this.bodyLimit} bytes.`, { Connection: 'close' });
  }

  /** Makes the context of an execution from a request that was admitted. */
  read(bytes: Buffer): Record<string, unknown> {
    this.checkLength(bytes.length);
    const encoding = this.header('content-encoding')?.trim() ?? '';
    if (encoding && encoding.toLowerCase() !== 'identity') {
      const name = encoding.replace(/[^A-Za-z0-9\-_, ]/g, '').slice(0, 40);
      throw new Refusal(415, `Unsupported Content-Encoding: ${name}. Send the body as it is.`);
    }
    const body = parseBody(this.header('content-type'), bytes);
    const { rawHeaders, query } = this.incoming;
    return buildContext(this.config, { rawHeaders, query, body });
  }
}
