// Fills what NocoBase has recorded into the cases of recorded.json: status and result of the node's job, and the rows of
// notificationSendLogs and notificationInAppMessages.
//
//     tests/e2e/up      # and enable @nocobase/plugin-notification-email there
//     NODE_EXTRA_CA_CERTS of NocoBase has to name tests/tls/mail-ca.pem
//     NB_URL=… PG_PORT=… APP=… node tests/it/node/notification/record.mjs
//
// What differs each time is replaced by PORT, ID and CHANNEL. Needs python3-aiosmtpd.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, signIn, sleep } from '../../../e2e/nocobase.mjs';

const folder = path.dirname(fileURLToPath(import.meta.url));
const file = path.join(folder, 'recorded.json');
const tls = path.join(folder, '../../../tls');
const api = await signIn();
const database = await connect();

async function prepare() {
  for (const [name, value] of [['SHOP', 'Corner shop'], ['MAIL_USER', 'shop'], ['MAIL_PASSWORD', 's3cret']]) {
    await api.post('environmentVariables:create', { name, value, type: name === 'SHOP' ? 'default' : 'secret' }).catch(() => {});
  }
  for (const [id, name] of [[101, 'Ann'], [102, 'Bo'], [103, 'Cy']]) {
    await database.query(
      `INSERT INTO users (id, "createdAt", "updatedAt", nickname, username, email) VALUES ($1, now(), now(), $2, $3, $4)
       ON CONFLICT (id) DO NOTHING`,
      [id, name, name.toLowerCase(), `${name.toLowerCase()}@example.com`],
    );
  }
}

async function start(options) {
  const args = [path.join(folder, '../mailer/server.py')];
  if (options.tls) args.push('--tls', options.tls, `${tls}/mail.pem`, `${tls}/mail.key`);
  if (options.auth) args.push('--auth', ...options.auth);
  const child = spawn('/usr/bin/python3', args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const told = [];
  let rest = '';
  child.stdout.on('data', (data) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop();
    told.push(...lines.map((line) => JSON.parse(line)));
  });
  while (!told.length) await sleep(20);
  return { child, told, port: told[0].port };
}

async function run(config, body) {
  const { data: workflow } = await api.post('workflows:create', {
    title: 'notification', type: 'webhook', sync: true, enabled: false, options: { timeout: 0 }, config: {},
  });
  const { data: node } = await api.post(`workflows/${workflow.id}/nodes:create`, { type: 'notification', upstreamId: null, config: {} });
  // By SQL: the schema of the API is not looked at when a node runs.
  await database.query('UPDATE flow_nodes SET config = $1 WHERE id = $2', [JSON.stringify(config), node.id]);
  const { data } = await api.post('workflows:execute', { body: body ?? {} }, { filterByTk: workflow.id });
  const { rows } = await database.query('SELECT status, result FROM jobs WHERE "executionId" = $1 ORDER BY id', [data.execution.id]);
  return rows;
}

async function table(name, order, columns) {
  const list = columns.map((column) => (['message', 'options'].includes(column) ? `"${column}"::text` : `"${column}"`));
  const { rows } = await database.query(`SELECT ${list.join(', ')} FROM "${name}" ORDER BY ${order}`);
  return rows;
}

const cases = JSON.parse(fs.readFileSync(file));
await prepare();
for (const [i, one] of cases.entries()) {
  const mail = one.server ? await start(one.server) : null;
  const name = `case_${i}`;
  const filled = (value) => JSON.parse(JSON.stringify(value).replaceAll('"PORT"', mail?.port ?? 1).replaceAll('CHANNEL', name));
  const masked = (value) => value && value.replaceAll(name, 'CHANNEL').replaceAll(`:${mail?.port}`, ':PORT');
  await database.query('DELETE FROM "notificationSendLogs"');
  await database.query('DELETE FROM "notificationInAppMessages"');
  if (one.channel) await api.post('notificationChannels:create', { name, ...filled(one.channel) });
  const jobs = await run(filled(one.config), one.body);
  let logs = [];
  for (let waited = 0; waited < 30 && !logs.length; waited++) {
    await sleep(100);
    logs = await table('notificationSendLogs', '"createdAt"', ['channelName', 'channelTitle', 'triggerFrom', 'notificationType', 'status', 'message', 'reason']);
  }
  const messages = await table('notificationInAppMessages', '"userId"', ['userId', 'channelName', 'title', 'content', 'status', 'options']);
  for (const row of [...logs, ...messages]) for (const key of Object.keys(row)) row[key] = typeof row[key] === 'string' ? masked(row[key]) : row[key];
  if (jobs.length !== 1) console.log(one.about, jobs);
  const { status, result } = jobs[0] ?? {};
  const mails = mail?.told.filter((line) => line.mail !== undefined).map(({ mail, to, user, tls }) => ({ mail, to, user, tls }));
  Object.assign(one, { status, result: JSON.parse(masked(JSON.stringify(result ?? null))), logs, messages, ...(mails && { mails }) });
  mail?.child.stdin.end();
  if (one.channel) await api.post('notificationChannels:destroy', undefined, { filterByTk: name });
  console.log(i, one.about, status, logs.length, messages.length);
}
fs.writeFileSync(file, JSON.stringify(cases, null, 2) + '\n');
await database.end();
process.exit(0);
