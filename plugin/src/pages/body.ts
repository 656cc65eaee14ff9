// The body of a request in the log: what is kept of it, and whether that is all.

import type { RequestDetail } from '../server/requests';

/** `text` where it is one, else `base64`. A body that is neither whole nor cut was not kept. */
export interface Body {
  kind: 'none' | 'whole' | 'cut' | 'left';
  text?: string;
  base64?: string;
  /** How many bytes are kept. */
  kept: number;
}

export function bodyOf({ body, bodyEncoding, bodySize }: RequestDetail): Body {
  if (!bodySize) return { kind: 'none', kept: 0 };
  if (body === null) return { kind: 'left', kept: 0 };
  const isText = bodyEncoding !== 'base64';
  const kept = isText ? new TextEncoder().encode(body).length : sizeOf(body);
  return { kind: kept === bodySize ? 'whole' : 'cut', [isText ? 'text' : 'base64']: body, kept };
}

/** The bytes of a text in base64, with its padding. */
const sizeOf = (base64: string) => (base64.length / 4) * 3 - (/=*$/.exec(base64)?.[0].length ?? 0);
