// A line for a shell that sends a request of the log again, as `sidehook requests show` writes it.

import type { RequestDetail } from '../server/requests';
import { bodyOf } from './body';
import { urlOf } from './entries';

/** Headers that belong to the connection on which a request came. */
const OF_THE_CONNECTION = [
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'transfer-encoding',
];

/** None where not all of the body is kept. `base` is where sidehook or NocoBase is. */
export function curlOf(request: RequestDetail, base: string): string | undefined {
  const { kind, text, base64 } = bodyOf(request);
  if (kind === 'cut' || kind === 'left') return;
  const url = base.replace(/\/$/, '') + urlOf(request);
  const headers = request.headers.filter(([name]) => !OF_THE_CONNECTION.includes(name));
  const words = [
    `curl --globoff --request ${quote(request.method)} ${quote(url)}`,
    // What was withheld has to be filled in.
    ...headers.map(([name, value]) => `--header ${quote(`${name}: ${value}`)}`),
  ];
  if (text !== undefined) words.push(`--data-raw ${quote(text)}`);
  if (base64 === undefined) return words.join(' ');
  return `printf %s ${quote(base64)} | base64 -d | ${words.join(' ')} --data-binary @-`;
}

const quote = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;
