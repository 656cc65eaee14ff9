import { expect, test } from 'vitest';
import { isOffered, knownBy } from '../src/forms/offered';
import { SHAPES } from '../src/server/members';
import type { Status } from '../src/server/status';

const telling = (...features: string[]) => ({ health: { features } }) as Status;

test('what the connected sidehook does not know is not offered', () => {
  const isKnown = knownBy(telling('replay', 'trigger.signature', 'trigger.log'));
  const offered = Object.keys(SHAPES).filter((name) => isOffered(isKnown, name, {}));
  expect(offered.sort()).toEqual(['log', 'signature']);
});

test('what is set is shown all the same', () => {
  const isKnown = knownBy(telling('trigger.signature'));
  expect(isOffered(isKnown, 'filter', { filter: {} })).toBe(true);
  expect(isOffered(isKnown, 'filter', { filter: null })).toBe(false);
  expect(isOffered(isKnown, 'filter', null)).toBe(false);
});

test('everything is offered where sidehook cannot be asked, or tells nothing of triggers', () => {
  for (const status of [undefined, { health: null } as Status, telling('replay')]) {
    const isKnown = knownBy(status);
    expect(Object.keys(SHAPES).every(isKnown)).toBe(true);
  }
});
