// The last hour as a chart: where its bars and its line are.

import type { Minute } from '../server/health';

export const MINUTES = 60;
const MINUTE_MS = 60_000;

/** What is stacked in a bar, from below. */
export const PARTS = ['accepted', 'refused', 'failed'] as const;
export type Part = (typeof PARTS)[number];

export interface Bar {
  part: Part;
  /** In minutes from the left. */
  x: number;
  /** From 0 at the bottom to 1 at the top. */
  from: number;
  to: number;
  minute: Minute;
}

export interface Chart {
  /** The beginning of the first minute, and the end of the last one. */
  from: number;
  to: number;
  bars: Bar[];
  /** The most requests in a minute. */
  most: number;
  /** The points of the line of 95 %, with the longest time at 1. */
  line: { x: number; y: number }[];
  longestMs: number;
}

/** Undefined where nothing has come in. `now` is the end unless sidehook's clock is later. */
export function chartOf(hour: Minute[], now: number): Chart | undefined {
  const last = Math.max(Math.floor(now / MINUTE_MS) * MINUTE_MS, ...hour.map(({ at }) => at));
  const from = last - (MINUTES - 1) * MINUTE_MS;
  const shown = hour.filter((minute) => minute.at >= from && numberIn(minute) > 0);
  if (!shown.length) return;
  const most = Math.max(...shown.map(numberIn));
  const longestMs = Math.max(...shown.map(({ p95Ms }) => p95Ms ?? 0));
  const timed = shown.filter(({ p95Ms }) => p95Ms !== null).sort((one, other) => one.at - other.at);
  const xOf = ({ at }: Minute) => Math.round((at - from) / MINUTE_MS);
  return {
    from,
    to: last + MINUTE_MS,
    most,
    longestMs,
    bars: shown.flatMap((minute) => barsOf(minute, xOf(minute), most)),
    line: timed.map((minute) => ({ x: xOf(minute) + 0.5, y: longestMs ? minute.p95Ms! / longestMs : 0 })),
  };
}

export const numberIn = (minute: Minute) => PARTS.reduce((sum, part) => sum + minute[part], 0);

/** How many of each in the whole hour. */
export function totals(hour: Minute[]): Record<Part, number> {
  const sum = (part: Part) => hour.reduce((total, minute) => total + minute[part], 0);
  return { accepted: sum('accepted'), refused: sum('refused'), failed: sum('failed') };
}

function barsOf(minute: Minute, x: number, most: number): Bar[] {
  let below = 0;
  return PARTS.flatMap((part) => {
    const from = below / most;
    below += minute[part];
    return minute[part] ? [{ part, x, from, to: below / most, minute }] : [];
  });
}
