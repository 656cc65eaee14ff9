// sidehook's own tables, as far as the plugin reads them. A database that sidehook has not served has none.

import type { Database, Id } from './nocobase';

export interface Instance {
  id: number;
  generation: number;
  /** Seconds since its last sign of life. */
  silentFor: number;
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
    const rows = await this.select('instances', 'id, generation, heartbeat_at', 'ORDER BY id');
    return rows.map((row) => ({
      id: Number(row.id),
      generation: Number(row.generation),
      silentFor: Math.max(0, Math.round((Date.now() - Number(row.heartbeat_at)) / 1000)),
    }));
  }

  private async select(
    table: string,
    columns: string,
    rest: string,
    replacements = {},
  ): Promise<Record<string, unknown>[]> {
    const name = `sidehook_${this.environment.DB_TABLE_PREFIX ?? ''}${table}`;
    const schema = this.db.options.dialect === 'postgres' ? this.environment.DB_SCHEMA : undefined;
    const queries = this.db.sequelize.getQueryInterface();
    const quoted = [schema, name]
      .flatMap((part) => (part ? [queries.quoteIdentifier(part, true)] : []))
      .join('.');
    try {
      const sql = `SELECT ${columns} FROM ${quoted} ${rest}`;
      return await this.db.sequelize.query(sql, { replacements, type: 'SELECT', logging: false });
    } catch (error) {
      if (await queries.tableExists(schema ? { tableName: name, schema } : name)) throw error;
      return [];
    }
  }
}
