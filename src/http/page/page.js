// Shows `/page/state`, once a second while somebody looks. Texts are only ever set as texts.
'use strict';

const PAUSE_MS = 1000;
const STATUSES = {
  null: ['queued', ''],
  0: ['started', ''],
  1: ['resolved', 'good'],
  '-1': ['failed', 'bad'],
  '-2': ['error', 'bad'],
  '-3': ['aborted', 'bad'],
};

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function row(...cells) {
  const made = element('tr');
  for (const cell of cells) {
    const td = element('td');
    td.append(cell);
    made.append(td);
  }
  return made;
}

function status(number) {
  const [text, className] = STATUSES[number] || [String(number), ''];
  return element('span', text, className);
}

async function send(webhook) {
  const headers = { 'content-type': 'application/json' };
  if (webhook.sample.authorization) headers.authorization = webhook.sample.authorization;
  const answer = document.getElementById('answer');
  try {
    const response = await fetch(webhook.path, { method: 'POST', headers, body: webhook.sample.body });
    answer.textContent = `Sent ${webhook.sample.body}, answered ${response.status}: ${await response.text()}`;
  } catch (error) {
    answer.textContent = `There is no answer: ${error.message}`;
  }
  await show();
}

function button(webhook) {
  if (!webhook.sample) return '';
  const made = element('button', 'Send a sample');
  made.addEventListener('click', () => void send(webhook));
  return made;
}

function job(item) {
  const made = element('li');
  made.append(`${item.title}: `, status(item.status));
  if (item.result !== null) made.append(' ', element('code', item.result));
  return made;
}

function execution(item) {
  const jobs = element('ol', undefined, 'jobs');
  jobs.append(...item.jobs.map(job));
  const at = item.createdAt ? new Date(item.createdAt).toLocaleTimeString() : '';
  return row(at, item.title, status(item.status), jobs);
}

let shownWebhooks = '';

async function show() {
  const response = await fetch('/page/state');
  if (!response.ok) return;
  const state = await response.json();
  // Buttons stay the same while nothing has changed, so that they keep the focus.
  const webhooks = JSON.stringify(state.webhooks);
  if (webhooks !== shownWebhooks) {
    shownWebhooks = webhooks;
    const rows = state.webhooks.map((webhook) =>
      row(`${webhook.title} (${webhook.mode})`, element('code', `POST ${webhook.path}`), button(webhook)),
    );
    document.getElementById('webhooks').replaceChildren(...rows);
  }
  const rows = state.executions.map(execution);
  document.getElementById('executions').replaceChildren(
    ...(rows.length ? rows : [row('Nothing has run yet.', '', '', '')]),
  );
}

async function follow() {
  for (;;) {
    if (!document.hidden) await show().catch(() => {});
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

void follow();
