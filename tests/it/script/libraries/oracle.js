// Evaluates with the same libraries in Node.js what the test then evaluates in sidehook. Arguments: the folder of the
// packages and that of the harness. Prints one JSON list of `[engine, expression, outcome]`: `["=", JSON]` for a
// result, `["!", text]` for what was thrown.
const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const [packages, harness] = process.argv.slice(-2);
const load = createRequire(path.join(packages, 'package.json'));
const math = load('mathjs');
const formulas = load('@formulajs/formulajs');
load('ses');
const start = (name) => (0, eval)(fs.readFileSync(path.join(harness, name), 'utf8'));

// What differs from run to run, what never ends, and errors of the engine that are told differently.
const isLeftOut = (one) =>
  /random|now|today|RAND|NOW|TODAY|createUnit|help|distribution/i.test(one) || /^(CRITBINOM|LCM)\(|^BASE\(0|^INTERCEPT\(("2|\[4)|^LOGEST\(-|^bigint\("a|^x y|^return/.test(one);
const examples = Object.values(math.docs).flatMap((doc) => doc.examples ?? []);
const values = ['', '1', '"a"', '-2, 3', '[1, 2, 3]', 'null', 'true', '{a: 1}', '2 cm', 'bignumber(3)', '1, 2, 3, 4, 5, 6'];
const calls = Object.keys(math.docs).flatMap((name) => values.map((value) => `${name}(${value})`));
const operators = ['1 / 3', '2 ^ 0.5', '10!', '5 % 3', '-7 mod 4', '1 < 2 and 3 >= 3', '"a" == "b"', '[1,2;3,4] * 2',
  '{a: [1, {b: 2}]}.a[2].b', 'f(x, y) = x ^ y; f(2, 3)', '1:3:10', 'x = 3; y = x * 2', '1e21', '0x1F', "'it''s'", 'a.b', '1 +', '((1)',
  '[1, 2', 'sum(1:100)', 'mean([1, 2, 4])', '3 inch to cm', 'sqrt(-4)', 'true ? 1 : 2', 'not 1', 'i ^ 2', '1/0', '0/0', '@'];

const arguments_ = ['', '1', '-1.5', '"a"', '"2024-02-29"', '[1, 2, 3]', 'null', 'true', '2, 3', '0.5, 2, 1', '"abc", 2', '[1, 2], [3, 4]',
  '1, 2, 3, 4', '"2024-01-31", 2', '[[1, 2], [3, 4]]', 'undefined', '1/0', '[4, 5], ">4"', '0.1, 12, 100, 0, 0', '"x", "y", "z"'];
const names = Object.keys(formulas).filter((name) => name !== 'default');
const formulaCalls = names.flatMap((name) => arguments_.map((value) => `${name}(${value})`));
const programs = ['[1,2,3].map(x => x * 2)', '({a: 1}).a', '1; 2', 'let x = 5; x ** 2', '`t${1}`', 'typeof foo', 'foo', 'foo.bar', 'foo()', 'a = 1',
  'null.x', '"abc".foo()', 'undefined[0]', 'new Date(0)', 'new Date()', 'Math.random()', 'eval("1")', 'this', 'globalThis', 'Object.keys({b: 1, 2: 1})',
  'JSON.stringify({a: [undefined]})', '[3, 10, 2].sort()', '"x".padStart(3, "-")', '/a(b)/.exec("ab")', 'new Map([[1, 2]])', '(() => 1)', 'throw new TypeError("t")',
  'try { foo.x } catch (e) { "caught" }', '[..."😀a"]', '0.1 + 0.2', '1.23456789012', '-0', '[1, [2, [3]]].flat(9)', 'parseFloat("1.5x")', 'isNaN("x")',
  'Date.UTC(2024, 1, 29)', 'new Date("2024-02-29T10:00:00Z").toISOString()', 'DATE(2024, 2, 29) + ""', '5 in [1]', 'x y', 'return 1', 'function f() { return 1 } f()',
  'class A { #p = 1; get p() { return this.#p } } new A().p', 'async () => 1', 'Promise.resolve(1)', 'label: for (;;) { break label }', 'var v = 3', 'const [p, ...q] = [1, 2, 3]; q',
  'SUM(1, 2) && AND(true, 1)', 'IFERROR(SQRT(-1), "bad")', 'Number.MAX_SAFE_INTEGER + 2', '"a".localeCompare("b")', 'Array.from({length: 3}, (_, i) => i)'];

const data = JSON.stringify({ store: { name: 'Büro', open: true, none: null, books: [{ t: 'A', price: 10, tags: ['x', 'y'], author: { n: 'Ann' } },
  { t: 'B', price: 25.5, tags: [], author: { n: 'Bob' } }, { t: 'C', price: 8, tags: ['y'], author: null }] }, nums: [5, 3, -1, 4], 'a-b': 1, words: ['b', 'a', 'c'] });
const jmespath = ['store', 'store.books[*].t', 'store.books[?price > `9`].t', 'nums[1:3]', 'nums[::-1]', 'sum(nums)', 'max_by(store.books, &price).t', 'sort(words)', 'keys(store)',
  'values(store.none)', 'to_string(store.books[0])', 'length(words)', '"a-b"', 'store.books[].tags[]', 'join(\', \', words)', 'merge({a: nums}, `{"b": 1}`)', 'not_null(store.none, words[0])',
  'type(@)', 'contains(words, \'a\')', 'reverse(nums)', 'abs(nums[2])', 'avg(nums)', 'store.', '[', 'nofunc(@)', 'sum(words)', 'store.books[*].{title: t, p: price}', 'store | name', 'nums[0] == `5`', '@', '&t', '!store.open'];
const jsonpath = ['$', '$.store.name', '$..price', '$.store.books[*].t', '$.store.books[?(@.price > 9)].t', '$.store.books[-1:].t', '$.nums[1:3]', '$.store.books[0,2].t', '$.store.*', '$..author.n',
  '$.store.nope', "$['a-b']", '$.words.length', '$.store.books[(@.length-1)].t', '$.store.books[*]~', '$.store.books[0]^.length', '$..books[?(@.author && @.author.n == "Bob")].t', '$[?(@.a.b.c)]', '$[?(', 'x', '',
  '$.store.books[?(@property === 1)].t', '$..*', '$.store.books[?(@.tags.includes("y"))].t', '$.nums[?(@ > 3)]', '$.store.books[?(@.t.match(/[AB]/))].t', '$.store["name","open"]', '$..tags[0]', '$.store.books[?(@root.nums[0] === 5)].t'];
const jsonata = ['store.name', 'store.books.t', 'store.books[price > 9].t', '$sum(nums)', '$count(words)', 'nums[0]', 'nums[-1]', 'store.books^(price).t', 'store.books^(>price)[0].t', '$join(words, "-")', '{"a": nums[0], "b": words}',
  '$map(nums, function($v) { $v * 2 })', '$filter(nums, function($v) { $v > 3 })', '$reduce(nums, function($a, $b) { $a + $b })', '$uppercase(store.name)', '$string(nums)', '$number("12.5")', '$number("abc")', '$exists(store.nope)',
  'store.books{t: price}', '$sort(words)', '$keys(store)', '$merge([{"a": 1}, {"b": 2}])', '$substring("abcdef", 2, 3)', '$split("a,b", ",")', '$replace("aXbX", "X", "-")', '$match("ab12", /[a-z]+/).match', '$round(2.345, 2)', '$power(2, 10)',
  '$formatNumber(1234.5, "#,##0.00")', '$fromMillis(0)', '$toMillis("2024-02-29T00:00:00Z")', '$now() = $now()', 'store.', '1 +', "'a' + 1", '$nofunc(1)', '$error("mine")', '$assert(false, "no")', '(  $x := 5; $x * 2 )', '$distinct([1, 1, 2])',
  'store.books ~> |$|{"seen": true}|', '$lookup(store, "name")', '**.price', 'store.books.%.name', '$type(nums)', '$boolean([])', '$not(true)', '$zip([1, 2], [3, 4])', '$each(store, function($v, $k) { $k })', '$formatBase(255, 16)', '$pad("x", 5, "#")', '$eval("1 + 1")',
  ...['user:pass', 'Größe', '日本語', '😀x', '', 'a\u0000b', 'xx', 'xxx'].map((text) => `$base64encode(${JSON.stringify(text)})`),
  ...['dXNlcjpwYXNz', 'R3LDtsOfZQ==', 'R3L232U=', 'aGk', 'aG', 'a', '', 'a G\nk=', 'aGk=aGk=', '-_8', '+/8=', 'a!G?k', 'é aGk', 'aQaQau3Q79b中', '===', 'AAA='].map((text) => `$base64decode(${JSON.stringify(text)})`),
  '$base64encode(5)', '$base64decode(store.nope)', '$base64decode($base64encode(store.name))', '$encodeUrl("https://a.b/ü?x=1 2")', '$encodeUrlComponent("a&ü/")',
  '$decodeUrl("%C3%BC")', '$decodeUrlComponent("%zz")', '$formatInteger(1999, "I")', '$formatInteger(12, "w")', '$parseInteger("twelve", "w")',
  '$fromMillis(1000000000000, "[Y0001]-[M01]-[D01] [H01]:[m01] [z]", "+0530")', '$toMillis("12/31/2024", "[M01]/[D01]/[Y0001]")', '$sort(["b", "a", "B", "ä"])', '$string({"a": 1.10})',
  '$shuffle([1])', '$single([1])', '$spread(store.books[0].author)', '$sift(store, function($v, $k) { $k = "name" })', '$reverse(nums)', '$average(nums)', '$contains("abc", /B/i)',
  '$trim("  a   b ")', '$substringBefore("a-b", "-")', '$abs(-1)', '$floor(1.5)', '$sqrt(-1)', '$parseInteger("12,345", "#,##0")', '$length("😀")', '$reduce([], function($a, $b) { $a })'];

const kept = (result) => {
  const json = JSON.stringify(result);
  return ['=', json === undefined ? 'undefined' : json];
};
const outcome = (evaluate) => {
  try {
    return kept(evaluate());
  } catch (thrown) {
    return ['!', String(thrown?.message === undefined || thrown instanceof Error ? thrown : thrown.message)];
  }
};

// NocoBase makes everything anew each time.
const keep = () => ({ get() {}, set() {} });

(async () => {
  const out = [];
  const calculation = start('calculation.js')(load, keep);
  for (const expression of [...new Set([...examples, ...calls, ...operators])].filter((one) => !isLeftOut(one))) {
    out.push(['math', expression, outcome(() => calculation.math(expression, {}))]);
  }
  for (const expression of [...formulaCalls, ...programs].filter((one) => !isLeftOut(one))) {
    out.push(['formula', expression, outcome(() => calculation.formula(expression, {}))]);
  }
  // Once is enough.
  globalThis.lockdown = () => {};
  const query = start('query.js')(load, keep);
  for (const [engine, expressions] of Object.entries({ jmespath, jsonpathplus: jsonpath })) {
    for (const expression of expressions) out.push([engine, expression, outcome(() => query[engine](expression, JSON.parse(data)))]);
  }
  for (const expression of jsonata) {
    const settled = await (async () => query.jsonata(expression, JSON.parse(data)))().then(
      (value) => () => value,
      (thrown) => () => {
        throw thrown;
      },
    );
    out.push(['jsonata', expression, outcome(settled)]);
  }
  process.stdout.write(JSON.stringify({ data, out }));
})();
