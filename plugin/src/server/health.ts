// How sidehook is doing, as `GET /health/status` tells it. Another version may tell less: what is missing is empty.

import { isObject } from './shapes';

/** A minute of the last hour. */
export interface Minute {
  /** Its beginning, in milliseconds since 1970. */
  at: number;
  accepted: number;
  refused: number;
  failed: number;
  /** How long answers took; null where there were none. */
  p50Ms: number | null;
  p95Ms: number | null;
  p99Ms: number | null;
}

/** What sidehook takes from NocoBase's queue. */
export interface Queued {
  /** Whether it takes anything: not unless NocoBase is kept from running the same. */
  isTaken: boolean;
  /** Why NocoBase runs one itself; null where sidehook runs it. */
  workflows: { key: string; title: string; left: string | null }[];
}

export interface Health {
  /** The number of the instance that has told it: the hour and the errors are its own. */
  instance: number | null;
  /** By sidehook's own clock. */
  instances: { number: number; silentMs: number }[];
  /** What it can do, such as `replay` and `trigger.filter`. */
  features: string[];
  /** Newest first. */
  errors: { at: number; message: string }[];
  hour: Minute[];
  /** What `sidehook check` finds, with a sentence on how to mend it. */
  findings: { subject: string; fault: string; mend: string }[];
  /** Null where it is to take nothing. */
  queued: Queued | null;
  /** For how long the request log keeps its rows, and what its environment says of that. */
  requestsKeptSeconds: number | null;
  requestsKeptSecondsUnset: number | null;
}

export function healthOf(told: Record<string, unknown>): Health {
  const errors = objects(told.errors).map(({ at, message }) => ({
    at: momentOf(at),
    message: text(message),
  }));
  return {
    instance: number(told.instance),
    instances: objects(told.instances).map((instance) => ({
      number: number(instance.number) ?? 0,
      silentMs: number(instance.silentMs) ?? 0,
    })),
    features: Array.isArray(told.features) ? told.features.map(text) : [],
    errors: errors.sort((one, other) => other.at - one.at),
    hour: objects(told.hour).map(minuteOf),
    findings: objects(told.findings).map(({ subject, fault, mend }) => ({
      subject: text(subject),
      fault: text(fault),
      mend: text(mend),
    })),
    queued: isObject(told.queued) ? queuedOf(told.queued) : null,
    requestsKeptSeconds: number(told.requestsKeptSeconds),
    requestsKeptSecondsUnset: number(told.requestsKeptSecondsUnset),
  };
}

const queuedOf = ({ isTaken, workflows }: Record<string, unknown>): Queued => ({
  isTaken: isTaken === true,
  workflows: objects(workflows).map(({ key, title, left }) => ({
    key: text(key),
    title: text(title),
    left: left === null ? null : text(left),
  })),
});

function minuteOf({ at, requests, p50Ms, p95Ms, p99Ms }: Record<string, unknown>): Minute {
  const { accepted, refused, failed } = isObject(requests) ? requests : {};
  return {
    at: momentOf(at),
    accepted: number(accepted) ?? 0,
    refused: number(refused) ?? 0,
    failed: number(failed) ?? 0,
    p50Ms: number(p50Ms),
    p95Ms: number(p95Ms),
    p99Ms: number(p99Ms),
  };
}

const objects = (value: unknown) => (Array.isArray(value) ? value.filter(isObject) : []);
const number = (value: unknown) => (typeof value === 'number' ? value : null);
const text = (value: unknown) => (typeof value === 'string' ? value : '');
const momentOf = (at: unknown) => new Date(typeof at === 'number' ? at : text(at)).getTime() || 0;
