import { expect, test } from 'vitest';
import { textOfDuration } from '../src/pages/duration';

test('says a time in its longest unit, in the words of a language', () => {
  const times = [604_800, 86_400, 90_000, 5400, 61];
  expect(times.map((seconds) => textOfDuration(seconds, 'en-US'))).toEqual([
    '7 days',
    '1 day',
    '25 hours',
    '90 minutes',
    '61 seconds',
  ]);
  expect(textOfDuration(259_200, 'ru-RU')).toBe('3 дня');
  expect(textOfDuration(604_800, 'zh-CN')).toBe('7天');
});
