// The engines of json-query, called as NocoBase calls them (`JSONQueryInstruction.ts`). The value of this script
// is a function that makes them of the loaded libraries, in a realm of their own.
(require) => {
  'use strict';
  const jmespath = require('jmespath');
  const jsonata = require('jsonata');
  const { JSONPath } = require('jsonpath-plus');
  lockdown({ consoleTaming: 'unsafe', errorTaming: 'unsafe', overrideTaming: 'moderate', stackFiltering: 'verbose' });
  return {
    jmespath: (expression, data) => jmespath.search(data, expression),
    jsonpathplus(expression, data) {
      // It keeps every path and filter that it has ever parsed.
      JSONPath.cache = {};
      return JSONPath({ path: expression, json: data, wrap: false });
    },
    jsonata: (expression, data) => jsonata(expression).evaluate(data),
    hasChanged: () => false,
  };
}
