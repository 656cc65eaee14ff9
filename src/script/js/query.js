// The engines of json-query, called as NocoBase calls them (`JSONQueryInstruction.ts`). The value of this script
// is a function that makes them of the loaded libraries, in a realm of their own.
(require) => {
  'use strict';
  const jmespath = require('jmespath');
  const jsonata = require('jsonata');
  const { JSONPath } = require('jsonpath-plus');
  lockdown({ consoleTaming: 'unsafe', errorTaming: 'unsafe', overrideTaming: 'moderate', stackFiltering: 'verbose' });
  const searchJmespath = (expression, data) => jmespath.search(data, expression);
  const searchJsonPath = (expression, data) => {
    // It keeps every path and filter that it has ever parsed.
    JSONPath.cache = {};
    return JSONPath({ path: expression, json: data, wrap: false });
  };

  return {
    jmespath: searchJmespath,
    jsonpathplus: searchJsonPath,
    jsonata: (expression, data) => jsonata(expression).evaluate(data),
    isUnchanged: () => true,
    isSound: () =>
      searchJmespath('sum(a[?@ > `1`])', { a: [1, 2, 3] }) === 5 &&
      searchJsonPath('$.a[?(@ > 2)]', { a: [1, 2, 3] })[0] === 3 &&
      typeof jsonata('$sum(a)').evaluate === 'function',
  };
}
