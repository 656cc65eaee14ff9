import { expect, test } from 'vitest';
import { chartOf, numberIn, totals } from '../src/pages/chart';
import type { Minute } from '../src/server/health';

const NOW = Date.parse('2026-11-27T16:30:20Z');
const at = (minutesAgo: number) => Date.parse('2026-11-27T16:30:00Z') - minutesAgo * 60_000;
const minute = (minutesAgo: number, accepted: number, values: Partial<Minute> = {}): Minute => ({
  at: at(minutesAgo),
  accepted,
  refused: 0,
  failed: 0,
  p50Ms: null,
  p95Ms: null,
  p99Ms: null,
  ...values,
});

test('bars stand at their minutes, the highest one as high as the chart', () => {
  const hour = [minute(0, 3, { refused: 1 }), minute(59, 1, { failed: 1 }), minute(30, 0)];
  const chart = chartOf(hour, NOW)!;
  expect([chart.from, chart.to, chart.most]).toEqual([at(59), at(-1), 4]);
  expect(chart.bars.map(({ part, x, from, to }) => [part, x, from, to])).toEqual([
    ['accepted', 59, 0, 0.75],
    ['refused', 59, 0.75, 1],
    ['accepted', 0, 0, 0.25],
    ['failed', 0, 0.25, 0.5],
  ]);
});

test('the line goes from the left to the right, and leaves out minutes without a time', () => {
  const hour = [minute(0, 1, { p95Ms: 10 }), minute(5, 1), minute(10, 1, { p95Ms: 40 })];
  const { line, longestMs } = chartOf(hour, NOW)!;
  expect(longestMs).toBe(40);
  expect(line).toEqual([
    { x: 49.5, y: 1 },
    { x: 59.5, y: 0.25 },
  ]);
  // Answers that took no time at all.
  expect(chartOf([minute(0, 1, { p95Ms: 0 })], NOW)!.line).toEqual([{ x: 59.5, y: 0 }]);
});

test('there is no chart of nothing, nor of what is longer ago', () => {
  expect(chartOf([], NOW)).toBeUndefined();
  expect(chartOf([minute(1, 0)], NOW)).toBeUndefined();
  expect(chartOf([minute(60, 9)], NOW)).toBeUndefined();
});

test('a clock of sidehook that is ahead moves the end', () => {
  const chart = chartOf([minute(-3, 1)], NOW)!;
  expect([chart.to, chart.bars[0]!.x]).toEqual([at(-4), 59]);
});

test('sums up the hour', () => {
  const hour = [minute(0, 3, { refused: 1 }), minute(1, 2, { failed: 4 })];
  expect(totals(hour)).toEqual({ accepted: 5, refused: 1, failed: 4 });
  expect(hour.map(numberIn)).toEqual([4, 6]);
});
