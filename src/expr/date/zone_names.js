// Prints `zone_names.txt`: what `Date.prototype.toString` of this Node.js calls each time zone in standard time and
// in summer time. Usage: node zone_names.js > zone_names.txt
'use strict';
const fs = require('fs');

/** All zones of `Intl`, and the older names of the time zone database. */
function zones() {
  const found = new Set(Intl.supportedValuesOf('timeZone'));
  const walk = (folder, prefix) => {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const name = prefix + entry.name;
      if (entry.isDirectory() && !['posix', 'right'].includes(name)) walk(`${folder}/${entry.name}`, `${name}/`);
      else if (!entry.isDirectory() && /^[A-Z][^.]*$/.test(name)) found.add(name);
    }
  };
  walk('/usr/share/zoneinfo', '');
  return [...found].sort();
}

/** `[standard, summer]`; the second one is empty where there has been none. */
function names(zone) {
  process.env.TZ = zone;
  const found = new Set();
  for (let month = 0; month < 138 * 12; month++) {
    found.add(/\((.*)\)/.exec(new Date(Date.UTC(1900, month, 10)).toString())[1]);
  }
  const [first, second = ''] = found;
  // Where V8 has no name for summer time it gives an offset, and it meets standard time first there.
  const isSummer = (name) => /Daylight|Summer|Irish Standard/.test(name);
  return isSummer(first) && !isSummer(second) ? [second, first] : [first, second];
}

const groups = new Map();
for (const zone of zones()) {
  const key = names(zone).join('|');
  groups.set(key, [...(groups.get(key) ?? []), zone]);
}
for (const key of [...groups.keys()].sort()) console.log(`${key}|${groups.get(key).join(' ')}`);
