// NocoBase's HTTP API and database, as the scripts of this folder use them. `up` has set up both.

import { createRequire } from 'node:module';

const { NB_URL, PG_PORT, APP } = process.env;

const ROOT = { account: 'admin@nocobase.com', password: 'admin123' };

/** Signs in, as the root user unless another one is given, and to the main application unless it is another one. */
export async function signIn(user = ROOT, role = 'root', app = 'main') {
  const below = app === 'main' ? '' : `__app/${app}/`;
  const signed = await call('POST', `${below}auth:signIn`, user);
  return new Api(signed.data.token, role, below);
}

export class ApiError extends Error {
  constructor(status, text) {
    super(`${status}: ${text}`);
    this.status = status;
  }
}

class Api {
  constructor(token, role, below) {
    this.token = token;
    this.below = below;
    this.headers = { authorization: `Bearer ${token}`, 'x-role': role, 'x-locale': 'en-US' };
  }

  get(action, parameters = {}) {
    const query = Object.entries(parameters).flatMap(([name, value]) =>
      Array.isArray(value) ? value.map((one) => [`${name}[]`, one]) : [[name, value]],
    );
    return call('GET', `${this.below}${action}?${new URLSearchParams(query)}`, undefined, this.headers);
  }

  post(action, values, parameters = {}) {
    return call('POST', `${this.below}${action}?${new URLSearchParams(parameters)}`, values, this.headers);
  }
}

/** NocoBase counts the tasks of a user without a lock: two changes of workflows at once can meet there. */
function isRace(status, text) {
  return status === 400 && text.includes('userId already exists');
}

async function call(method, action, values, headers = {}, retries = 5) {
  const response = await fetch(`${NB_URL}/api/${action}`, {
    method,
    headers: { ...headers, ...(values === undefined ? {} : { 'content-type': 'application/json' }) },
    body: values === undefined ? undefined : JSON.stringify(values),
  });
  const text = await response.text();
  if (isRace(response.status, text) && retries > 0) {
    await sleep(300);
    return call(method, action, values, headers, retries - 1);
  }
  if (!response.ok) throw new ApiError(response.status, text.slice(0, 300));
  return text ? JSON.parse(text) : undefined;
}

/** A connection to NocoBase's database, by the driver that NocoBase has installed. */
export async function connect() {
  const { Pool } = createRequire(`${APP}/package.json`)('pg');
  return new Pool({
    host: '127.0.0.1',
    port: Number(PG_PORT),
    user: 'nocobase',
    database: 'nocobase',
    max: 4,
  });
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
