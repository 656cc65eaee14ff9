// NocoBase's basic conditions, as far as a list of comparisons shows them.

import type { ResponseConfig } from '../server/config';

export interface Calculation {
  calculator: string;
  operands: unknown[];
}

/** `sidehook.filter`, as far as the fields show it. */
export interface Condition {
  engine?: 'basic';
  calculation: { group: { type: 'and' | 'or'; calculations: Calculation[] } };
  /** What is answered to others. */
  reply?: ResponseConfig;
}

/** Those of NocoBase's basic engine, and the signs of some. */
export const OPERATORS: Record<string, string | undefined> = {
  equal: '=',
  notEqual: '≠',
  gt: '>',
  gte: '≥',
  lt: '<',
  lte: '≤',
  includes: undefined,
  notIncludes: undefined,
  startsWith: undefined,
  notStartsWith: undefined,
  endsWith: undefined,
  notEndsWith: undefined,
};

/** How an operand is shown in a line of text. */
export function textOfOperand(operand: unknown): string {
  if (typeof operand !== 'string') return operand === undefined ? '' : JSON.stringify(operand);
  return operandOf(operand) === operand ? operand : JSON.stringify(operand);
}

/** What a line of text means: a number, true, false and null are that; a text that looks so stands in quotes. */
export function operandOf(text: string): unknown {
  if (/^".*"$/s.test(text)) {
    const inner = parsed(text);
    return typeof inner === 'string' && operandOf(inner) !== inner ? inner : text;
  }
  const value = parsed(text);
  return typeof value !== 'object' || value === null ? (String(value) === text ? value : text) : text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Whether a list of comparisons shows all of a condition. */
export function isListed(condition: unknown): condition is Condition['calculation'] {
  const { group, ...rest } = (condition ?? {}) as { group?: unknown };
  const { type, calculations, ...more } = (group ?? {}) as Record<string, unknown>;
  if (Object.keys(rest).length || Object.keys(more).length) return false;
  return (type === 'and' || type === 'or') && Array.isArray(calculations) && calculations.every(isShown);
}

function isShown(calculation: unknown): boolean {
  const { calculator, operands, ...rest } = (calculation ?? {}) as Record<string, unknown>;
  if (Object.keys(rest).length || !Object.hasOwn(OPERATORS, String(calculator))) return false;
  return (
    Array.isArray(operands) &&
    operands.length === 2 &&
    operands.every((operand) => typeof operand !== 'object' || operand === null)
  );
}
