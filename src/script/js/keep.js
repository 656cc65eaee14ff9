// Keeps what has been made of expressions, in a realm of their own: parsing them again costs many times their evaluation. The
// value of this script is a function that makes an empty store.
() => {
  'use strict';
  /** Longer expressions are not kept, and of all together no more than that, in UTF-16 units: a syntax tree takes some hundred
   * bytes for each. */
  const LONGEST = 2_000;
  const MOST = 50_000;
  const kept = new Map();
  let size = 0;
  return {
    get(expression) {
      const found = kept.get(expression);
      if (found === undefined) return undefined;
      // What was used last goes last.
      kept.delete(expression);
      kept.set(expression, found);
      return found;
    },
    set(expression, made) {
      if (expression.length > LONGEST || kept.has(expression)) return;
      kept.set(expression, made);
      size += expression.length;
      for (const oldest of kept.keys()) {
        if (size <= MOST) break;
        kept.delete(oldest);
        size -= oldest.length;
      }
    },
  };
}
