// The evaluators math.js and formula.js, set up as NocoBase sets them up (`packages/core/evaluators`). The value
// of this script is a function that makes them of the loaded libraries and of stores (`keep.js`), in a realm of their own.
(require, keep) => {
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

  // Without looking for what suits the arguments.
  const round = math.round.signatures['number,number'];
  const rounded = (result) => {
    if (typeof result !== 'number') return result;
    return Number.isFinite(result) ? round(result, 9) : null;
  };

  const compiled = keep();
  /** What `math.evaluate` does, without parsing again. */
  const evaluateMath = (expression, variables) => {
    let code = compiled.get(expression);
    if (code === undefined) {
      code = math.parse(expression).compile();
      compiled.set(expression, code);
    }
    const result = code.evaluate(variables);
    return result instanceof math.Matrix ? result.toArray() : rounded(result);
  };

  const compartmentOf = (variables) => {
    const globals = Object.create(null);
    for (const name of names) globals[name] = formulas[name];
    Object.assign(globals, variables);
    for (const name of blocked) globals[name] = undefined;
    return new Compartment(globals);
  };
  const evaluateFormula = (expression, variables) => rounded(compartmentOf(variables).evaluate(expression));
  /** For functions of formulas. Nothing can be set there, so that none leaves anything for another. */
  let shared;
  const beginsAnotherWay = /^\s*(?:\/[/*]|[{;]|(?:async|class|function|let)\b)/;
  const seesWhereItRuns = /\b(?:arguments|catch|new\s*\.|this)/;
  /**
   * A program that has been evaluated, as a function of its variables. `null` where that could mean something else: it is no
   * single expression, it begins like a statement, or it could find out that it runs in a function or that globals are frozen.
   */
  const functionOf = (expression, parameters) => {
    if (beginsAnotherWay.test(expression) || seesWhereItRuns.test(expression)) return null;
    if (shared === undefined) {
      shared = compartmentOf({});
      Object.freeze(shared.globalThis);
    }
    try {
      return shared.evaluate(`(${parameters.join(', ')}) => (\n${expression}\n)`);
    } catch {
      return null;
    }
  };
  const functions = keep();
  /**
   * `[result]` of a formula, by a function that is kept where there is one. `undefined` where that has thrown: the error of
   * a program tells of other places, and globals of its own can be set, so it is evaluated then, with variables made anew.
   */
  const evaluateKeptFormula = (expression, variables) => {
    const parameters = Object.keys(variables);
    const name = `${parameters.length} ${expression}`;
    const run = functions.get(name);
    if (run) {
      try {
        return [rounded(run(...Object.values(variables)))];
      } catch {
        return undefined;
      }
    }
    const result = evaluateFormula(expression, variables);
    if (run === undefined) functions.set(name, functionOf(expression, parameters));
    return [result];
  };

  return {
    math: evaluateMath,
    formula: evaluateFormula,
    keptFormula: evaluateKeptFormula,
    /** Whether the libraries are as they were loaded. */
    isUnchanged: () => !hasChanged,
    /** Whether the libraries still work, after an evaluation was cut off. */
    isSound: () =>
      evaluateMath('sqrt($$0) + det([1, 2; 3, 4]) + number(200 cm, m)', { $$0: 9 }) === 3 &&
      evaluateFormula('SUM($$0) + LEN("ab")', { $$0: [1, 2] }) === 5,
  };
}
