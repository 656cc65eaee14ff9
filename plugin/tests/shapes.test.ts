// Configurations under `sidehook`: what sidehook cannot use is not stored. Rust reads the same file.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { validateTrigger } from '../src/server/config';

interface Shape {
  name: string;
  sidehook: unknown;
  faults: string[];
}

const FILE = new URL('../../tests/webhook/shapes.json', import.meta.url);
const { shapes }: { shapes: Shape[] } = JSON.parse(readFileSync(FILE, 'utf8'));

test.each(shapes)('$name', ({ sidehook, faults }) => {
  expect(Object.keys(validateTrigger({ sidehook }) ?? {})).toEqual(faults);
});
