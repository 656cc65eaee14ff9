// Of `@nocobase/utils`, which NocoBase provides at run time.

/** Compiles the placeholders of a value. */
export function parse(value: unknown): (scope: object) => unknown;
