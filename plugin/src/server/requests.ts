// The request log as NocoBase's screens read it: `sidehook_requests`, which belongs to sidehook. What stands in its
// columns is told by `entity/src/request.rs`.

import type { Database } from './nocobase';
import type { Tables } from './tables';

const LIMIT = 50;
const MOST = 200;

/** What may have become of a request, each as a condition. */
const OUTCOMES = {
  answered: 'status BETWEEN 100 AND 399',
  refused: 'status BETWEEN 400 AND 499',
  failed: 'status BETWEEN 500 AND 599',
  duplicate: 'duplicate_of IS NOT NULL',
  waiting: 'status IS NULL',
};

export type Outcome = keyof typeof OUTCOMES;

/** Where a text is looked for, as the command line of sidehook does. */
const SEARCHED = ['path', 'query', 'headers', 'body', 'reason', 'delivery_id'];

/** What the id of an execution finds besides: its request, and the later deliveries of the same event. */
const EXECUTIONS = ['execution_id', 'duplicate_of'];

/** As `sidehook requests --json` has it, but for the parts of `RequestDetail`. */
export interface RequestRow {
  /** Ids are texts: they are larger than JavaScript's whole numbers. */
  id: string;
  /** In milliseconds since 1970. */
  receivedAt: number;
  workflowKey: string | null;
  workflowId: string | null;
  method: string;
  path: string;
  /** Without `?`, still encoded. */
  query: string;
  contentType: string | null;
  /** Of all that has arrived of the body, in bytes. */
  bodySize: number;
  peer: string | null;
  durationMs: number | null;
  /** Of the answer; null while it is not known. */
  status: number | null;
  reason: string | null;
  executionId: string | null;
  deliveryId: string | null;
  duplicateOf: string | null;
  instance: number;
}

export interface RequestDetail extends RequestRow {
  headers: [string, string][];
  /** What is kept of the body. */
  body: string | null;
  bodyEncoding: string | null;
  bodySha256: string | null;
  /** Whether its sender was let in. */
  isAdmitted: boolean;
}

/** What an action was called with: texts, as far as anybody has written them by hand. */
export type Parameters = Record<string, unknown>;

export class RequestLog {
  constructor(private readonly tables: Tables) {}

  isThere(): Promise<boolean> {
    return this.tables.has('requests');
  }

  /**
   * Newest first. Of the parameters `workflow` (a key), `to` (a key, also of calls that found no workflow), `outcome`, `from` and `before` (milliseconds since 1970), `text`,
   * `below` and `above` (ids) everything that is given has to hold.
   */
  async list(parameters: Parameters): Promise<RequestRow[]> {
    const { conditions, replacements } = selection(parameters);
    const where = conditions.length ? `WHERE ${conditions.join(' AND ')}` : '';
    const limit = Math.min(wholeNumber(parameters.limit) ?? LIMIT, MOST);
    const rest = `${where} ORDER BY id DESC LIMIT ${limit}`;
    const rows = await this.tables.select('requests', this.columns(), rest, replacements);
    return rows.map(asRow);
  }

  async get(id: unknown): Promise<RequestDetail | undefined> {
    const digits = idOf(id);
    if (!digits) return;
    const columns = `${this.columns()}, headers, body, body_encoding, body_sha256, is_admitted`;
    const [row] = await this.tables.select('requests', columns, `WHERE id = ${digits}`);
    return row && asDetail(row);
  }

  private columns(): string {
    const ids = ['id', 'workflow_id', 'execution_id', 'duplicate_of'].map((name) => this.tables.asText(name));
    return `${ids.join(', ')}, received_at, workflow_key, method, path, query, content_type, body_size, peer,
      duration_ms, status, reason, delivery_id, instance`;
  }
}

export interface Webhook {
  key: string;
  title: string;
  /** Of its current version. */
  id: string;
}

/** What webhooks there are, by their titles. */
export async function webhooks(db: Database): Promise<Webhook[]> {
  const filter = { type: 'webhook', current: true };
  const found = await db
    .getRepository('workflows')
    .find({ filter, fields: ['id', 'key', 'title'], sort: 'title' });
  return found.map(({ id, key, title }) => ({ key, title: title ?? key, id: String(id) }));
}

/** Conditions in SQL, and the values in them that others have written. */
function selection({ workflow, to, outcome, from, before, text, below, above }: Parameters) {
  const conditions: string[] = [];
  const replacements: Record<string, string> = {};
  if (isText(workflow)) {
    conditions.push('workflow_key = :workflow');
    replacements.workflow = workflow;
  }
  if (isText(to)) {
    const ending = `%/${escaped(encodeURIComponent(to))}`;
    const isPath = "path LIKE :path ESCAPE '!' OR path LIKE :slashed ESCAPE '!'";
    conditions.push(`(workflow_key = :to OR ${isPath})`);
    Object.assign(replacements, { to, path: ending, slashed: `${ending}/` });
  }
  if (isText(outcome) && Object.hasOwn(OUTCOMES, outcome)) conditions.push(OUTCOMES[outcome as Outcome]);
  const bounds = { 'received_at >=': from, 'received_at <': before, 'id <': below, 'id >': above };
  for (const [comparison, bound] of Object.entries(bounds)) {
    const digits = idOf(bound);
    if (digits) conditions.push(`${comparison} ${digits}`);
  }
  if (isText(text)) {
    const digits = idOf(text.trim());
    const found = SEARCHED.map((name) => `LOWER(${name}) LIKE :text ESCAPE '!'`);
    if (digits) found.push(...EXECUTIONS.map((name) => `${name} = ${digits}`));
    conditions.push(`(${found.join(' OR ')})`);
    replacements.text = `%${escaped(text.toLowerCase())}%`;
  }
  return { conditions, replacements };
}

/** For `LIKE`. */
const escaped = (text: string) => text.replace(/[!%_]/g, '!$&');

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** The digits of a whole number that a column of 64 bits can hold. */
export function idOf(value: unknown): string | undefined {
  const digits = String(value ?? '');
  return /^\d{1,19}$/.test(digits) ? digits : undefined;
}

function wholeNumber(value: unknown): number | undefined {
  const digits = idOf(value);
  return digits === undefined ? undefined : Number(digits);
}

function asRow(row: Record<string, unknown>): RequestRow {
  const text = (name: string) => (row[name] == null ? null : String(row[name]));
  const number = (name: string) => (row[name] == null ? null : Number(row[name]));
  return {
    id: String(row.id_text),
    receivedAt: Number(row.received_at),
    workflowKey: text('workflow_key'),
    workflowId: text('workflow_id_text'),
    method: String(row.method),
    path: String(row.path),
    query: String(row.query),
    contentType: text('content_type'),
    bodySize: Number(row.body_size),
    peer: text('peer'),
    durationMs: number('duration_ms'),
    status: number('status'),
    reason: text('reason'),
    executionId: text('execution_id_text'),
    deliveryId: text('delivery_id'),
    duplicateOf: text('duplicate_of_text'),
    instance: Number(row.instance),
  };
}

function asDetail(row: Record<string, unknown>): RequestDetail {
  const text = (name: string) => (row[name] == null ? null : String(row[name]));
  return {
    ...asRow(row),
    headers: headersOf(row.headers),
    body: text('body'),
    bodyEncoding: text('body_encoding'),
    bodySha256: text('body_sha256'),
    // Some databases have numbers in its place.
    isAdmitted: Boolean(row.is_admitted),
  };
}

function headersOf(value: unknown): [string, string][] {
  try {
    const list: unknown = JSON.parse(String(value));
    if (!Array.isArray(list)) return [];
    return list.filter((pair): pair is [string, string] => Array.isArray(pair) && pair.length === 2);
  } catch {
    return [];
  }
}
