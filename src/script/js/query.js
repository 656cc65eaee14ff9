// The engines of json-query, called as NocoBase calls them (`JSONQueryInstruction.ts`). The value of this script
// is a function that makes them of the loaded libraries and of stores (`keep.js`), in a realm of their own.
(require, keep) => {
  'use strict';
  const { atob, btoa } = globalThis;

  /** The lower byte of each unit, which is all that Node.js makes of a text beyond Latin-1. */
  const asLatin1 = (text) => text.replace(/[^\0-\xff]/g, (unit) => String.fromCharCode(unit.charCodeAt(0) & 0xff));
  /** Like Node.js, which skips what is no base64, takes the letters for URLs, too, and ends at the first `=`. */
  const decoded = (text) => {
    const [letters] = asLatin1(text).split('=', 1);
    const known = letters.replaceAll('-', '+').replaceAll('_', '/').replace(/[^A-Za-z0-9+/]/g, '');
    return atob(known.length % 4 === 1 ? known.slice(0, -1) : known);
  };
  // What jsonata uses of Node.js's `Buffer`: as a constructor, and for these two conversions.
  const Buffer = {
    from: function (text, encoding) {
      const latin1 = encoding === 'base64' ? decoded(text) : asLatin1(text);
      return { toString: (other) => (other === 'base64' ? btoa(latin1) : latin1) };
    },
  };
  // It looks for it while it is loaded, and nothing else is to find it. Node.js itself, in tests, has its own.
  const isLacking = globalThis.global === undefined;
  if (isLacking) globalThis.global = { Buffer };
  const jsonata = require('jsonata');
  if (isLacking) delete globalThis.global;
  const jmespath = require('jmespath');
  /**
   * An interpreter of what jmespath compiles: it exports none, and hands one to its functions under this name. Nothing where
   * the engine was locked down before, as in tests.
   */
  const interpreterOf = () => {
    if (Object.isFrozen(Object.prototype)) return undefined;
    let found;
    const set = (value) => { found ??= value; };
    Object.defineProperty(Object.prototype, '_interpreter', { configurable: true, set });
    jmespath.search(null, '@');
    delete Object.prototype._interpreter;
    if (found) found.runtime._interpreter = found;
    return found;
  };
  const interpreter = interpreterOf();
  const { JSONPath } = require('jsonpath-plus');
  lockdown({ consoleTaming: 'unsafe', errorTaming: 'unsafe', overrideTaming: 'moderate', stackFiltering: 'verbose' });
  const trees = keep();
  const searchJmespath = (expression, data) => {
    if (interpreter === undefined) return jmespath.search(data, expression);
    let tree = trees.get(expression);
    if (tree === undefined) {
      tree = jmespath.compile(expression);
      // A reference (`&name`) is noted in the tree when it is come upon, which one within another could show.
      if ((expression.match(/&/g) ?? []).length < 2) trees.set(expression, tree);
    }
    return interpreter.search(tree, data);
  };
  const paths = keep();
  const searchJsonPath = (expression, data) => {
    // It keeps every path and filter that it has ever parsed, so each expression gets what was parsed for it alone.
    JSONPath.cache = paths.get(expression) ?? {};
    paths.set(expression, JSONPath.cache);
    return JSONPath({ path: expression, json: data, wrap: false });
  };
  const parsed = keep();
  const searchJsonata = (expression, data) => {
    let query = parsed.get(expression);
    if (query === undefined) {
      query = jsonata(expression);
      parsed.set(expression, query);
    }
    // With bindings, if only none, an evaluation has variables of its own.
    return query.evaluate(data, {});
  };

  return {
    jmespath: searchJmespath,
    jsonpathplus: searchJsonPath,
    jsonata: searchJsonata,
    isUnchanged: () => true,
    isSound: () =>
      searchJmespath('sum(a[?@ > `1`])', { a: [1, 2, 3] }) === 5 &&
      searchJsonPath('$.a[?(@ > 2)]', { a: [1, 2, 3] })[0] === 3 &&
      typeof jsonata('$sum(a)').evaluate === 'function',
  };
}
