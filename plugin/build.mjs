// Builds dist/ and packs it into build/sidehook-plugin-workflow-webhook.tgz, which is what NocoBase's plugin
// manager takes. NocoBase loads a plugin's server half by require() and its client halves as AMD modules.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const { name } = JSON.parse(readFileSync('package.json', 'utf8'));

/** The series that this is built for: NocoBase's plugin manager refuses a plugin that does not say. */
const NOCOBASE = '2.2.0';
const VERSIONS = {
  react: '18.2.0',
  antd: '5.24.2',
  '@ant-design/icons': '5.6.1',
  lodash: '4.17.21',
  dayjs: '1.11.13',
  'react-router-dom': '6.28.1',
};

/** What NocoBase gives to both of its clients. A second React or antd would break hooks and themes. */
const GIVEN = [
  'react',
  'antd',
  'lodash',
  'dayjs',
  'react-router-dom',
  '@ant-design/icons',
  '@nocobase/flow-engine',
  '@nocobase/plugin-workflow/client-v2',
];

/** Everyone who opens NocoBase loads the client halves. */
const MAX_CLIENT_BYTES = 94_000;

rmSync('dist', { recursive: true, force: true });
rmSync('build', { recursive: true, force: true });

// The paths of tsconfig.json name declarations only.
const shared = { bundle: true, tsconfigRaw: {}, legalComments: 'inline', logLevel: 'warning' };

await build({
  ...shared,
  entryPoints: ['src/server/index.ts'],
  outfile: 'dist/server/index.js',
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  external: ['@nocobase/*'],
  // NocoBase takes `module.exports` or its `default`.
});

/** Wraps a CommonJS bundle into an AMD module. */
async function buildClient(folder, moduleName, dependencies) {
  const list = JSON.stringify(dependencies);
  await build({
    ...shared,
    entryPoints: [`src/${folder}/index.ts`],
    outfile: `dist/${folder}/index.js`,
    platform: 'browser',
    target: 'es2020',
    format: 'cjs',
    minify: true,
    jsx: 'transform',
    jsxFactory: 'createElement',
    jsxFragment: 'Fragment',
    inject: ['src/forms/jsx.ts'],
    external: dependencies,
    banner: {
      js: `define(${JSON.stringify(moduleName)}, ${list}, function () {
var given = arguments, names = ${list}, module = { exports: {} };
var require = function (name) { return given[names.indexOf(name)]; };`,
    },
    footer: { js: 'return module.exports;\n});' },
  });
  const { size } = statSync(`dist/${folder}/index.js`);
  if (size > MAX_CLIENT_BYTES)
    throw new Error(`dist/${folder}/index.js has ${size} bytes, more than ${MAX_CLIENT_BYTES}`);
}

await buildClient('client', name, ['@nocobase/client', ...GIVEN]);
await buildClient('client-v2', `${name}/client-v2`, ['@nocobase/client-v2', ...GIVEN]);

cpSync('src/locale', 'dist/locale', { recursive: true });

const parts = ['client', 'client-v2', 'flow-engine', 'plugin-workflow', 'server', 'utils'];
const versions = { ...VERSIONS, ...Object.fromEntries(parts.map((part) => [`@nocobase/${part}`, NOCOBASE])) };
writeFileSync('dist/externalVersion.js', `module.exports = ${JSON.stringify(versions, null, 2)};\n`);

mkdirSync('build');
const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', 'build'], {
  encoding: 'utf8',
});
const tarball = 'build/sidehook-plugin-workflow-webhook.tgz';
renameSync(`build/${packed.trim().split('\n').pop()}`, tarball);
console.log(tarball);
