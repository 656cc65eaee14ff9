// In place of NocoBase's templates.

export const parse = (value: unknown) => () => value;
