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
  /**
   * `math.round(result, 9)`, which takes longer than most expressions: it rounds the digits of the shortest text, to twelve
   * decimals first. The digits of the number itself lead to the same, but where those are near the middle.
   */
  const rounded = (result) => {
    if (typeof result !== 'number') return result;
    if (!Number.isFinite(result)) return null;
    if (Number.isSafeInteger(result)) return result === 0 ? 0 : result;
    const text = String(result);
    if (text.includes('e')) return round(result, 9);
    const dropped = text.slice(text.indexOf('.') + 10);
    if (dropped === '') return result;
    return dropped === '5' || dropped.startsWith('499') ? round(result, 9) : Number(result.toFixed(9));
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

  const nothing = Object.fromEntries(blocked.map((name) => [name, undefined]));
  const compartmentOf = (variables) => {
    const globals = Object.create(null);
    for (const name of names) globals[name] = formulas[name];
    return new Compartment(Object.assign(globals, variables, nothing));
  };
  /** All functions, for globals to inherit: what is set becomes a global's own, as if it had been there before. */
  const inherited = {};
  for (const name of names) {
    const set = function (value) {
      Object.defineProperty(this, name, { value, configurable: true, enumerable: true, writable: true });
    };
    Object.defineProperty(inherited, name, { enumerable: true, get: () => formulas[name], set });
  }
  harden(inherited);
  const seesGlobals = /\bthis\b|__|valueOf|isPrototypeOf|propertyIsEnumerable|hasOwnProperty|toString|toLocaleString/;
  /** Four hundred functions of its own cost a program more than all the rest: they are inherited where it cannot see that. */
  const evaluateFormula = (expression, variables) => {
    if (seesGlobals.test(expression)) return rounded(compartmentOf(variables).evaluate(expression));
    const compartment = new Compartment({ ...variables, ...nothing });
    Object.setPrototypeOf(compartment.globalThis, inherited);
    return rounded(compartment.evaluate(expression));
  };
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
