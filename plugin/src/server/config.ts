// The configurations of the trigger and of the response node: what NocoBase may store. The forms check the same
// and translate what is found, so the texts stand in src/locale too.

import { SHAPES } from './members';
import type { Faults } from './nocobase';
import { isObject } from './shapes';

export { isObject };

/** `workflows.config` of a webhook workflow, as far as it has the right shape. */
export interface TriggerConfig {
  basicAuthentication?: false | null | { username: string; password: string };
  request?: { headers?: Item[]; query?: Item[]; body?: Item[] } | null;
  /** The answer of an asynchronous workflow. */
  response?: ResponseConfig | null;
  /** sidehook's extensions; they say nothing here but whether the whole request is the context. */
  sidehook?: Record<string, unknown> | null;
}

export interface Item {
  key: string;
  alias?: string;
  /** The name in the context, when it is not the key. */
  _var?: string;
}

export interface ResponseConfig {
  statusCode?: unknown;
  headers?: unknown;
  body?: unknown;
}

/** The faults of a trigger's configuration by their paths, or null. */
export function validateTrigger(config: unknown): Faults {
  const faults: Record<string, string> = {};
  if (!isObject(config)) return { config: 'The configuration has to be an object.' };
  const { basicAuthentication, request, response, sidehook } = config;
  if (basicAuthentication) checkBasicAuthentication(basicAuthentication, faults);
  if (checkObject(request, 'request', faults)) {
    for (const part of ['headers', 'query', 'body']) checkItems(request[part], `request.${part}`, faults);
  }
  if (checkObject(response, 'response', faults)) checkResponse(response, 'response.', faults);
  if (checkObject(sidehook, 'sidehook', faults)) checkExtensions(sidehook, faults);
  return Object.keys(faults).length ? faults : null;
}

/** The faults of a response node's configuration by their paths, or null. */
export function validateResponse(config: unknown): Faults {
  const faults: Record<string, string> = {};
  if (checkObject(config, 'config', faults)) checkResponse(config, '', faults);
  return Object.keys(faults).length ? faults : null;
}

/** A member that another version may know is stored, and lets nobody in until then. */
function checkExtensions(sidehook: Record<string, unknown>, faults: Record<string, string>) {
  const tell = (path: string, fault: string) => (faults[path] ??= fault);
  for (const [name, value] of Object.entries(sidehook)) {
    if (value != null && Object.hasOwn(SHAPES, name))
      SHAPES[name]!(value, `sidehook.${name}`, tell, sidehook);
  }
}

function checkBasicAuthentication(value: unknown, faults: Record<string, string>) {
  for (const name of ['username', 'password']) {
    const part = isObject(value) ? value[name] : undefined;
    if (typeof part !== 'string' || !part) {
      faults[`basicAuthentication.${name}`] = 'Basic authentication needs a user name and a password.';
    }
  }
}

function checkItems(list: unknown, path: string, faults: Record<string, string>) {
  if (list == null) return;
  if (!Array.isArray(list)) {
    faults[path] = 'This has to be a list.';
    return;
  }
  list.forEach((item, index) => {
    if (!isObject(item) || typeof item.key !== 'string' || !item.key) {
      faults[`${path}.${index}.key`] = 'Every item needs a path.';
    }
  });
}

function checkResponse(config: Record<string, unknown>, prefix: string, faults: Record<string, string>) {
  const { statusCode, headers } = config;
  // A placeholder may stand for the number.
  const isTemplate = typeof statusCode === 'string' && statusCode.includes('{{');
  if (statusCode != null && !isTemplate && !isStatus(statusCode)) {
    faults[`${prefix}statusCode`] = 'The status code has to be a whole number from 200 to 599.';
  }
  if (headers == null || typeof headers === 'string') return;
  if (!Array.isArray(headers)) {
    faults[`${prefix}headers`] = 'This has to be a list.';
    return;
  }
  headers.forEach((header, index) => {
    if (!isObject(header) || typeof header.name !== 'string' || !header.name) {
      faults[`${prefix}headers.${index}.name`] = 'Every header needs a name.';
    }
  });
}

function isStatus(value: unknown): boolean {
  const number = typeof value === 'string' ? Number(value) : value;
  return Number.isInteger(number) && Number(number) >= 200 && Number(number) <= 599;
}

/** Whether there is an object; anything else but nothing is a fault. */
function checkObject(
  value: unknown,
  path: string,
  faults: Record<string, string>,
): value is Record<string, unknown> {
  if (isObject(value)) return true;
  if (value != null) faults[path] = 'This has to be an object.';
  return false;
}
