// The evaluators math.js and formula.js, set up as NocoBase sets them up (`packages/core/evaluators`). The value
// of this script is a function that makes them of the loaded libraries, in a realm of their own.
(require) => {
  'use strict';
  const math = require('mathjs');
  const formulas = require('@formulajs/formulajs');
  lockdown({ consoleTaming: 'unsafe', errorTaming: 'unsafe', overrideTaming: 'moderate', stackFiltering: 'verbose' });

  // Formulas get the very functions, and the errors that those return. None may carry something into the next
  // formula.
  const names = Object.keys(formulas).filter((name) => name !== 'default');
  for (const name of names) harden(formulas[name]);
  const errors = [
    () => formulas.NA(), () => formulas.SQRT(-1), () => formulas.SQRT('x'), () => formulas.QUOTIENT(1, 0),
    () => formulas.INDEX([[1]], 5, 5), () => formulas.CONCATENATE(formulas.NA()),
  ];
  for (const make of errors) {
    try {
      harden(make());
    } catch {
      // It throws instead: nothing is shared.
    }
  }
  const blocked = [
    'globalThis', 'global', 'self', 'Function', 'AsyncFunction', 'GeneratorFunction', 'eval', 'Compartment',
    'lockdown', 'harden', 'assert', 'process', 'require', 'module', 'exports', '__filename', '__dirname', 'Buffer',
  ];

  // The only thing by which an expression of math.js changes what later ones see.
  let hasChanged = false;
  for (const name of ['createUnit', 'createUnitSingle', 'deleteUnit']) {
    const original = math.Unit[name];
    math.Unit[name] = function (...args) {
      hasChanged = true;
      return original.apply(this, args);
    };
  }

  const rounded = (result) => {
    if (typeof result !== 'number') return result;
    return Number.isFinite(result) ? math.round(result, 9) : null;
  };

  const evaluateMath = (expression, variables) => {
    const result = math.evaluate(expression, variables);
    return result instanceof math.Matrix ? result.toArray() : rounded(result);
  };
  const evaluateFormula = (expression, variables) => {
    const globals = Object.create(null);
    for (const name of names) globals[name] = formulas[name];
    Object.assign(globals, variables);
    for (const name of blocked) globals[name] = undefined;
    return rounded(new Compartment(globals).evaluate(expression));
  };

  return {
    math: evaluateMath,
    formula: evaluateFormula,
    /** Whether the libraries are as they were loaded. */
    isUnchanged: () => !hasChanged,
    /** Whether the libraries still work, after an evaluation was cut off. */
    isSound: () =>
      evaluateMath('sqrt($$0) + det([1, 2; 3, 4]) + number(200 cm, m)', { $$0: 9 }) === 3 &&
      evaluateFormula('SUM($$0) + LEN("ab")', { $$0: [1, 2] }) === 5,
  };
}
