// The way of a delivery from a request to the context of an execution, as in sidehook's `src/webhook/intake.rs`:
// checks of its head, its length, what its body says, the context.

import { CHECKS, type Head } from './admission';
import { parseBody } from './body';
import { codingsOf, unpack } from './coding';
import { isObject, type TriggerConfig } from './config';
import { buildContext, namedKeys } from './context';
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
    if (length > this.bodyLimit) this.refuseLength();
  }

  /** Makes the context of an execution from a request that was admitted. */
  async read(bytes: Buffer): Promise<Record<string, unknown>> {
    this.checkLength(bytes.length);
    const codings = codingsOf(this.joined('content-encoding'));
    const unpacked = await unpack(codings, bytes, this.bodyLimit, () => this.refuseLength());
    const { request } = this.config;
    const isPickedFrom = isObject(request) && namedKeys(request.body).length > 0;
    const body = parseBody(this.header('content-type'), unpacked, { isPickedFrom });
    const { rawHeaders, query } = this.incoming;
    return buildContext(this.config, { rawHeaders, query, body });
  }

  /** All values of a header as one. */
  private joined(name: string): string {
    const { rawHeaders } = this.incoming;
    return rawHeaders.filter((_, i) => i % 2 && rawHeaders[i - 1]!.toLowerCase() === name).join(', ');
  }

  private refuseLength(): never {
    throw new Refusal(413, `The body is larger than ${this.bodyLimit} bytes.`, { Connection: 'close' });
  }
}
