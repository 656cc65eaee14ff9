// `querystring`: the npm package, with the two functions that it keeps to itself.
const { parse, stringify } = require('pack:querystring-es3');

const escape = (text) => encodeURIComponent(String(text).toWellFormed());
const unescape = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

module.exports = { parse, stringify, decode: parse, encode: stringify, escape, unescape };
