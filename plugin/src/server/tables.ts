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

  /** How many executions of sidehook wait and run, and which one has waited for longest: ids sort by time. */
  async backlog(): Promise<{ waiting: number; running: number; oldest: string | null }> {
    const [counted] = await this.select('leases', 'COUNT(*) AS total, COUNT(instance_id) AS running', '');
    const running = Number(counted?.running ?? 0);
    const waiting = Number(counted?.total ?? 0) - running;
    const rest = 'WHERE instance_id IS NULL ORDER BY execution_id LIMIT 1';
    const [oldest] = waiting ? await this.select('leases', this.asText('execution_id'), rest) : [];
    return { waiting, running, oldest: oldest ? String(oldest.execution_id_text) : null };
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
