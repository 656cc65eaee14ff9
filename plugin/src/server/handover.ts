// Runs what sidehook has handed over: nodes of types that only NocoBase has. sidehook has recorded the pending job of
// such a node and given its execution up; a row in `sidehook_handovers` waits for someone who tells NocoBase.

import type { Database, Execution, Logger, WorkflowPlugin } from './nocobase';
import type { Handover, Tables } from './tables';

const INTERVAL_MS = 1000;

/** sidehook looks whether a node has begun; after so long without it NocoBase is told again. */
const PATIENCE_MS = 300_000;

export class Handovers {
  private timer: NodeJS.Timeout | undefined;
  private isLooking = false;

  constructor(
    private readonly db: Database,
    private readonly workflow: WorkflowPlugin,
    private readonly tables: Pick<Tables, 'dueHandovers' | 'takeHandover' | 'refuseHandover'>,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
  ) {}

  start() {
    this.stop();
    this.timer = setInterval(() => void this.look(), INTERVAL_MS);
    this.timer.unref();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Tells NocoBase's queue of all that is due. */
  async look() {
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      for (const handover of await this.tables.dueHandovers(Date.now())) await this.take(handover);
    } catch (error) {
      this.log.warn(`sidehook: what sidehook has handed over cannot be read: ${(error as Error).message}`);
    } finally {
      this.isLooking = false;
    }
  }

  private async take(handover: Handover) {
    const execution: Execution | null = await this.db
      .getRepository('executions')
      .findOne({ filterByTk: handover.executionId });
    // sidehook forgets the handover of an execution that is over.
    if (execution?.status !== 0) return;
    const node = await this.db.getRepository('flow_nodes').findOne({ filterByTk: handover.nodeId });
    if (!this.workflow.instructions.get(node?.type)) {
      await this.tables.refuseHandover(handover);
      return;
    }
    // Of several NocoBase processes one takes it.
    if (!(await this.tables.takeHandover(handover, Date.now() + PATIENCE_MS))) return;
    await this.workflow.rerun?.(execution, { nodeId: handover.nodeId, overwrite: true });
    this.log.info(`sidehook: execution ${handover.executionId} was handed over and goes on here`);
  }
}
