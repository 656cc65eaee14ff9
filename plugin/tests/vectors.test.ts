// The cases that sidehook's own tests read, too: what one side lets in, refuses or makes of a request, the other does.
// Of what only sidehook knows, NocoBase alone lets nobody in.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Intake } from '../src/server/intake';
import { Refusal } from '../src/server/refusal';

interface Case {
  name: string;
  /** What the plugin cannot do, or does not do on purpose, and refuses; `why` says which. */
  only?: 'sidehook';
  why?: string;
  trigger?: unknown;
  request: {
    method?: string;
    headers?: [string, string][];
    query?: string;
    body?: string | { base64: string };
  };
  bodyLimit?: number;
  context?: unknown;
  refusal?: { status: number; message?: string; headers?: Record<string, string> };
}

const FOLDER = new URL('../../tests/webhook/', import.meta.url);

/** What a request comes to, in the form in which cases expect it. */
async function outcome(given: Case): Promise<Pick<Case, 'context' | 'refusal'>> {
  const { trigger, request, bodyLimit = 1 << 20 } = given;
  const { method = 'POST', headers = [], query = '', body = '' } = request;
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.base64, 'base64');
  const intake = new Intake(trigger, { method, rawHeaders: headers.flat(), query }, bodyLimit);
  try {
    intake.admit();
    return { context: await intake.read(bytes) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const names = Object.entries(error.headers).map(([name, value]) => [name.toLowerCase(), value]);
    return { refusal: { status: error.status, message: error.message, headers: Object.fromEntries(names) } };
  }
}

/** Whether a trigger asks for what NocoBase alone does not do. */
function isOfSidehook(trigger: unknown): boolean {
  const { sidehook } = (trigger ?? {}) as { sidehook?: unknown };
  const members = typeof sidehook === 'object' && sidehook ? Object.keys(sidehook) : [];
  return members.some((name) => !['context', 'path', 'log'].includes(name));
}

for (const file of readdirSync(FOLDER)) {
  const { cases }: { cases?: Case[] } = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
  // Shapes of configurations are no requests.
  if (!cases) continue;
  describe(file, () => {
    test.each(cases)('$name', async (given) => {
      const found = await outcome(given);
      if (isOfSidehook(given.trigger)) expect(found.refusal?.status).toBe(503);
      else if (given.only) expect(found.refusal?.status).toBe(415);
      else if (given.refusal) expect(found.refusal).toMatchObject(given.refusal);
      // As texts, because the order of keys counts.
      else expect(JSON.stringify(found)).toBe(JSON.stringify({ context: given.context }));
    });
  });
}
