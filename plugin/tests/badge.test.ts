import { expect, test } from 'vitest';
import { mark } from '../src/pages/badge';
import { isOfSidehook } from '../src/pages/execution-id';

// Seen beside a NocoBase 2.2.15: both were made within a second.
const OF_NOCOBASE = '400080568713217';
const OF_SIDEHOOK = '400080569925632';

/** A cell or a title. */
function place(text: string) {
  const attributes = new Map<string, string>();
  return {
    textContent: text,
    attributes,
    hasAttribute: (name: string) => attributes.has(name),
    setAttribute: (name: string, value: string) => void attributes.set(name, value),
    removeAttribute: (name: string) => void attributes.delete(name),
  };
}

test('the id tells whose execution it is', () => {
  expect(isOfSidehook(OF_SIDEHOOK)).toBe(true);
  expect(isOfSidehook(` #${OF_SIDEHOOK} `)).toBe(true);
  expect(isOfSidehook(OF_NOCOBASE)).toBe(false);
  // The same second on the instances 0 and 31, with the first and the last number of each side.
  const second = 190_772_000n << 21n;
  for (const worker of [0n, 31n << 16n]) {
    expect([0n, 32_767n].map((number) => isOfSidehook(String(second + worker + number)))).toEqual([
      false,
      false,
    ]);
    expect([32_768n, 65_535n].map((number) => isOfSidehook(String(second + worker + number)))).toEqual([
      true,
      true,
    ]);
  }
});

test('only ids are ids', () => {
  for (const text of [
    '',
    'Resolved',
    '32768',
    '2026-11-27 16:34:42',
    `${OF_SIDEHOOK} `.repeat(2),
    `a${OF_SIDEHOOK}`,
  ])
    expect(isOfSidehook(text), text).toBe(false);
});

test('a place has the badge for as long as it shows an execution of sidehook', () => {
  const title = place(`#${OF_SIDEHOOK}`);
  const others = [place(OF_NOCOBASE), place('Resolved'), place('')];
  mark([title, ...others], 'Run by sidehook');
  expect(Object.fromEntries(title.attributes)).toEqual({
    'data-sidehook-execution': '',
    title: 'Run by sidehook',
  });
  expect(others.map(({ attributes }) => attributes.size)).toEqual([0, 0, 0]);
  // NocoBase leads from one execution to the next in the same place.
  title.textContent = `#${OF_NOCOBASE}`;
  mark([title], 'Run by sidehook');
  expect(title.attributes.size).toBe(0);
});

test('a title of others stays', () => {
  const cell = place('Resolved');
  cell.setAttribute('title', 'theirs');
  mark([cell], 'Run by sidehook');
  expect(cell.attributes.get('title')).toBe('theirs');
});
