// sidehook's own tables, as far as the plugin reads them. A database that sidehook has not served has none.

import type { Database, Id } from './nocobase';

/** After so many tries without effect sidehook gives up. */
const MOST_ATTEMPTS = 3;

export interface Instance {
  id: number;
  generation: number;
  /** Seconds since its last sign of life. */
  silentFor: number;
}

/** Executions of sidehook that are not over. */
export interface Counted {
  running: number;
  /** For a worker. */
  waiting: number;
  /** Until a time, such as the end of a delay. */
  sleeping: number;
  /** Of those that wait; `dueAt` is 0 where it has waited from its beginning. */
  next: { executionId: string; dueAt: number } | null;
}

/** What a running sidehook takes from NocoBase's queue. */
export interface Announced {
  /** Its number and generation. */
  instance: string;
  /** Its last sign of life. */
  beat: string;
  /** Ids of workflow versions. */
  workflows: string[];
}

/** A pending job whose node NocoBase is to run. */
export interface Handover {
  jobId: Id;
  executionId: Id;
  nodeId: Id;
  dueAt: Id;
  attempts: number;
}

export class Tables {
  constructor(
    private readonly db: Database,
    private readonly environment: { DB_SCHEMA?: string; DB_TABLE_PREFIX?: string },
  ) {}

  /** Whether an execution belongs to a sidehook, or waits for one. */
  async isLeased(executionId: Id): Promise<boolean> {
    const leases = await this.select('leases', 'execution_id', 'WHERE execution_id = :executionId', {
      executionId,
    });
    return leases.length > 0;
  }

  async instances(): Promise<Instance[]> {
    // One that has ended has given its number back.
    const rest = 'WHERE heartbeat_at > 0 ORDER BY id';
    const rows = await this.select('instances', 'id, generation, heartbeat_at', rest);
    return rows.map((row) => ({
      id: Number(row.id),
      generation: Number(row.generation),
      silentFor: Math.max(0, Math.round((Date.now() - Number(row.heartbeat_at)) / 1000)),
    }));
  }

  /** How many executions of sidehook run, wait for a worker and sleep, and which one is the next. */
  async backlog(now: number): Promise<Counted> {
    // A lease of nobody waits for a worker, or until it is due.
    const sleeps = 'instance_id IS NULL AND due_at > :now';
    const columns = `COUNT(*) AS total, COUNT(instance_id) AS running, COUNT(CASE WHEN ${sleeps} THEN 1 END) AS sleeping`;
    const [counted] = await this.select('leases', columns, '', { now });
    const [total, running, sleeping] = [counted?.total, counted?.running, counted?.sleeping].map((count) =>
      Number(count ?? 0),
    ) as [number, number, number];
    const waiting = total - running - sleeping;
    // In sidehook's own order.
    const rest = 'WHERE instance_id IS NULL AND due_at <= :now ORDER BY due_at, execution_id LIMIT 1';
    const found = `${this.asText('execution_id')}, due_at`;
    const [row] = waiting ? await this.select('leases', found, rest, { now }) : [];
    const next = row ? { executionId: String(row.execution_id_text), dueAt: Number(row.due_at) } : null;
    return { running, waiting, sleeping, next };
  }

  /** What is to be run now, oldest first. */
  async dueHandovers(now: number): Promise<Handover[]> {
    const columns = 'job_id, execution_id, node_id, due_at, attempts';
    const rest = 'WHERE due_at <= :now AND attempts < :most ORDER BY job_id LIMIT 100';
    const rows = await this.select('handovers', columns, rest, { now, most: MOST_ATTEMPTS });
    return rows.map((row) => ({
      jobId: row.job_id as Id,
      executionId: row.execution_id as Id,
      nodeId: row.node_id as Id,
      dueAt: row.due_at as Id,
      attempts: Number(row.attempts),
    }));
  }

  /** Tells sidehook that NocoBase does not know the node's type: sidehook ends the execution. */
  async refuseHandover({ jobId }: Handover): Promise<void> {
    const sql = `UPDATE ${this.name('handovers').quoted} SET due_at = 0, attempts = :most WHERE job_id = :jobId`;
    const replacements = { jobId, most: MOST_ATTEMPTS };
    await this.db.sequelize.query(sql, { replacements, type: 'BULKUPDATE', logging: false });
  }

  /** Puts off the next try, unless somebody else has. */
  async takeHandover(handover: Handover, nextAt: number): Promise<boolean> {
    const sql = `UPDATE ${this.name('handovers').quoted} SET due_at = :nextAt, attempts = attempts + 1
      WHERE job_id = :jobId AND due_at = :dueAt AND attempts = :attempts`;
    const replacements = { ...handover, nextAt };
    const changed = await this.db.sequelize.query(sql, { replacements, type: 'BULKUPDATE', logging: false });
    return Number(changed) === 1;
  }

  /** What instances take from NocoBase's queue that have not ended. */
  async announced(): Promise<Announced[]> {
    const told = await this.select('settings', 'name, value', "WHERE name LIKE 'queued:%'");
    if (!told.length) return [];
    const instances = await this.select(
      'instances',
      'id, generation, heartbeat_at',
      'WHERE heartbeat_at > 0',
    );
    return instances.flatMap(({ id, generation, heartbeat_at: beat }) => {
      const own = told.find(({ name }) => name === `queued:${String(id)}`);
      const said = own && (JSON.parse(String(own.value)) as { generation: string; workflows: string[] });
      // A number that has changed hands says nothing of who has it now.
      if (!said || said.generation !== String(generation)) return [];
      return [
        { instance: `${String(id)}.${said.generation}`, beat: String(beat), workflows: said.workflows },
      ];
    });
  }

  /** Says that NocoBase leaves alone what instances have announced; another text each time. */
  async sayGuarded(value: string): Promise<void> {
    const table = this.name('settings').quoted;
    const options = { replacements: { value }, logging: false };
    const sql = `UPDATE ${table} SET value = :value WHERE name = 'guard'`;
    const changed = await this.db.sequelize.query(sql, { ...options, type: 'BULKUPDATE' });
    if (Number(changed) > 0) return;
    const insert = `INSERT INTO ${table} (name, value) VALUES ('guard', :value)`;
    // Another process of NocoBase may be faster; then it has said the same.
    await this.db.sequelize.query(insert, options).catch(() => undefined);
  }

  /** Takes that back. */
  async unsayGuarded(): Promise<void> {
    const sql = `DELETE FROM ${this.name('settings').quoted} WHERE name = 'guard'`;
    await this.db.sequelize.query(sql, { type: 'BULKDELETE', logging: false });
  }

  /** Whether a sidehook has made the table. */
  async has(table: string): Promise<boolean> {
    return this.db.sequelize.getQueryInterface().tableExists(this.name(table).table);
  }

  /** Rows of a table; none where there is no such table. */
  async select(
    table: string,
    columns: string,
    rest: string,
    replacements = {},
  ): Promise<Record<string, unknown>[]> {
    try {
      const sql = `SELECT ${columns} FROM ${this.name(table).quoted} ${rest}`;
      return await this.db.sequelize.query(sql, { replacements, type: 'SELECT', logging: false });
    } catch (error) {
      if (await this.has(table)) throw error;
      return [];
    }
  }

  /** `<column>_text`, all digits of a whole number: some drivers give numbers, which cannot hold that many. */
  asText(column: string): string {
    const type = this.db.options.dialect === 'postgres' ? 'VARCHAR' : 'CHAR';
    return `CAST(${column} AS ${type}) AS ${column}_text`;
  }

  private name(table: string) {
    const name = `sidehook_${this.environment.DB_TABLE_PREFIX ?? ''}${table}`;
    const schema = this.db.options.dialect === 'postgres' ? this.environment.DB_SCHEMA : undefined;
    const queries = this.db.sequelize.getQueryInterface();
    const quoted = [schema, name]
      .flatMap((part) => (part ? [queries.quoteIdentifier(part, true)] : []))
      .join('.');
    return { quoted, table: schema ? { tableName: name, schema } : name };
  }
}
