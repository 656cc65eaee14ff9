import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FAULTS } from '../src/server/shapes';

const at = (path: string) => new URL(`../src/${path}`, import.meta.url);

/** NocoBase's own namespace `client` has these. */
const OF_NOCOBASE = [
  'Add',
  'Add condition',
  'Cancel',
  'Delete',
  'Description',
  'Docs',
  'Edit',
  'Filter',
  'None',
  'Operator',
  'Save',
  'Title',
  'contains',
  'does not contain',
  'ends with',
  'not ends with',
  'not starts with',
  'starts with',
];

/** Every text that is translated somewhere, by the calls of `t` and `tExpr` and by the faults of configurations. */
function usedKeys(): string[] {
  const forms = ['forms', 'pages'].flatMap((folder) =>
    readdirSync(at(folder)).map((file) => readFileSync(at(`${folder}/${file}`), 'utf8')),
  );
  const calls = [...forms.join('\n').matchAll(/\b(?:t|tExpr)\(\s*'((?:[^'\\]|\\.)*)'/g)];
  const read = (file: string) => readFileSync(at(`server/${file}`), 'utf8');
  const config = read('config.ts') + read('members.ts');
  const faults = [...config.matchAll(/(?:faults\[[^=]*\] =|config:|which\()\s*'([^']*)'/g)];
  const keys = [...[...calls, ...faults].map((match) => match[1]!), ...Object.values(FAULTS)];
  return [...new Set(keys)].filter((key) => !OF_NOCOBASE.includes(key));
}

const languages = readdirSync(at('locale'));
const read = (file: string): Record<string, string> => JSON.parse(readFileSync(at(`locale/${file}`), 'utf8'));
const placeholders = (text: string) => [...text.matchAll(/\{\{\w+\}\}/g)].map(([name]) => name).sort();

test('finds the texts in the sources', () => {
  expect(usedKeys()).toContain('Webhook event');
  expect(usedKeys()).toContain('Every item needs a path.');
  expect(usedKeys().length).toBeGreaterThan(50);
});

test.each(languages)('%s has every text, and none that is not used', (file) => {
  const texts = read(file);
  expect(Object.keys(texts).sort()).toEqual(usedKeys().sort());
  for (const [key, text] of Object.entries(texts)) {
    expect(text).not.toBe('');
    expect(placeholders(text)).toEqual(placeholders(key));
    if (file === 'en-US.json') expect(text).toBe(key);
  }
});

test('the card of the plugin is there in every language', () => {
  const card = JSON.parse(readFileSync(at('../package.json'), 'utf8'));
  for (const file of languages) {
    const language = file.replace('.json', '');
    const suffix = language === 'en-US' ? '' : `.${language}`;
    expect(card[`displayName${suffix}`], language).toEqual(expect.any(String));
    expect(card[`description${suffix}`], language).toEqual(expect.any(String));
  }
});
