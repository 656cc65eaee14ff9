// The text of a value while it is edited: what was typed stays as it is, what comes from elsewhere is laid out.

import { useState } from 'react';
import { BrokenJson } from './json';

/** The text to show for `value`, and what takes a changed text. */
export function useText(
  value: unknown,
  onChange: ((value: unknown) => void) | undefined,
  write: (value: unknown) => string = layOut,
) {
  const [edited, setEdited] = useState<{ text: string; value: unknown }>();
  const text = edited && edited.value === value ? edited.text : write(value);
  const change = (changed: string, read: (text: string) => unknown) => {
    const next = read(changed);
    setEdited({ text: changed, value: next });
    onChange?.(next);
  };
  return [text, change] as const;
}

function layOut(value: unknown): string {
  if (value instanceof BrokenJson) return value.text;
  if (typeof value === 'string') return value;
  return value === undefined ? '' : JSON.stringify(value, null, 2);
}
