// Requests that are turned away, in words that never repeat what was sent.

/** Thrown on the way of a request; its message is for the sender. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  /** As NocoBase answers errors. */
  body(): string {
    return JSON.stringify({ errors: [{ message: this.message }] });
  }
}
