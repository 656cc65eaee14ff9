// Asks sidehook itself, at the URLs for those who manage it: how it is doing, a request once more, bodies for a while.
// They need a token, which stays on this side: browsers are told what came of it.

import { headersOf, MAIN } from './application';

/** Why nothing came of it. */
export type Obstacle =
  /** `SIDEHOOK_URL` is not set. */
  | 'url'
  /** `SIDEHOOK_STATUS_TOKEN` is not set here. */
  | 'token'
  /** It is not set for sidehook, or sidehook is too old to have one. */
  | 'closed'
  /** sidehook has another one. */
  | 'denied'
  /** Nobody answers. */
  | 'silent'
  /** sidehook does not do it, and says why. */
  | 'refused'
  /** There is no such request any more. */
  | 'gone';

export interface Hindered {
  obstacle: Obstacle;
  /** In words, where somebody has said any. */
  error?: string;
}

/** What sidehook has answered. */
interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** Of a run that somebody waits for. */
export interface Replayed {
  status: number;
  executionId: string | null;
  /** Of its row in the request log. */
  requestId: string | null;
}

const PATIENCE_MS = 3000;
/** A workflow may have to run until there is an answer. */
const PATIENCE_OF_REPLAY_MS = 60_000;
const MOST_BYTES = 1_000_000;

export class Manager {
  constructor(
    private readonly base: URL | undefined,
    private readonly token: string | undefined,
    private readonly app = MAIN,
  ) {}

  /** How it is doing, as it says; see `healthOf`. */
  async health(): Promise<Answer | Hindered> {
    const answer = await this.ask('GET', 'health/status');
    return 'status' in answer && answer.status !== 200 ? refusal(answer) : answer;
  }

  /** Has a request of the log handled once more. For one that was refused somebody has to vouch. */
  async replay(id: string, isVouched = false): Promise<Replayed | Hindered> {
    const values = isVouched ? { vouched: true } : undefined;
    const answer = await this.ask('POST', `requests/${id}/replay`, values, PATIENCE_OF_REPLAY_MS);
    if ('obstacle' in answer) {
      if (answer.obstacle !== 'closed') return answer;
      // The same status says that there is no such request.
      const health = await this.health();
      return 'obstacle' in health ? health : { obstacle: 'gone' };
    }
    if (answer.status !== 200) return refusal(answer);
    const { status, executionId, requestId } = answer.body;
    return { status: Number(status), executionId: textOf(executionId), requestId: textOf(requestId) };
  }

  /** Has the bodies of all requests to a workflow's URLs kept for some seconds; for none of them it ends. */
  async listen(key: string, seconds: number): Promise<{ seconds: number } | Hindered> {
    const path = `requests/listening/${encodeURIComponent(key)}`;
    const answer = await (seconds ? this.ask('PUT', path, { seconds }) : this.ask('DELETE', path));
    if ('obstacle' in answer) return answer;
    return answer.status < 300 ? { seconds } : refusal(answer);
  }

  /** Has requests kept for so many seconds; without any, for as long as sidehook's environment says. */
  async retain(seconds: number): Promise<{ seconds: number } | Hindered> {
    const path = 'requests/retention';
    const answer = await (seconds ? this.ask('PUT', path, { seconds }) : this.ask('DELETE', path));
    if ('obstacle' in answer) return answer;
    return answer.status < 300 ? { seconds } : refusal(answer);
  }

  private async ask(
    method: string,
    path: string,
    values?: object,
    patience = PATIENCE_MS,
  ): Promise<Answer | Hindered> {
    if (!this.base) return { obstacle: 'url' };
    if (!this.token) return { obstacle: 'token' };
    const { origin, pathname } = this.base;
    try {
      const response = await fetch(`${origin}${pathname.replace(/\/$/, '')}/${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.token}`,
          ...headersOf(this.app),
          ...(values ? { 'content-type': 'application/json' } : {}),
        },
        ...(values ? { body: JSON.stringify(values) } : {}),
        // Nobody else gets the token.
        redirect: 'manual',
        signal: AbortSignal.timeout(patience),
      });
      const { status } = response;
      const body = parsed(await textWithin(response, MOST_BYTES));
      if (status === 404) return { obstacle: 'closed' };
      return status === 401 ? { obstacle: 'denied' } : { status, body };
    } catch (error) {
      return { obstacle: 'silent', error: causeOf(error) };
    }
  }
}

/** The reason of a failed call, in words. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

function refusal({ status, body }: Answer): Hindered {
  const { error } = body;
  return { obstacle: 'refused', error: typeof error === 'string' ? error.slice(0, 500) : String(status) };
}

async function textWithin(response: Response, most: number): Promise<string> {
  const reader = response.body?.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let next = await reader?.read(); next?.value; next = await reader!.read()) {
    chunks.push(next.value);
    size += next.value.length;
    if (size <= most) continue;
    await reader!.cancel();
    throw new Error(`sidehook's answer is longer than ${most} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const textOf = (id: unknown) => (typeof id === 'string' || typeof id === 'number' ? String(id) : null);
