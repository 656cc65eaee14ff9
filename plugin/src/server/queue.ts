// Leaves to sidehook what it takes from NocoBase's queue. Instances announce the workflows of which they run what is
// queued; this plugin keeps NocoBase from beginning with those, and says so again and again: without that nothing is taken.

import type { Announced, Tables } from './tables';
import type { Database, Logger, Task, WorkflowPlugin } from './nocobase';

const INTERVAL_MS = 1000;

/** So often it says that it keeps NocoBase away; sidehook stops taking when it has not heard it for 8 s. */
const SAID_EVERY_MS = 2000;

/** An instance that gives no sign of life for so long takes nothing any more, and NocoBase goes on by itself. */
const ALIVE_MS = 15_000;

export class Queue {
  private timer: NodeJS.Timeout | undefined;
  private isLooking = false;
  private taken = new Set<string>();
  private saidAt = -Infinity;
  /** The last sign of life of each instance, and when it was seen first: clocks of machines differ. */
  private beats = new Map<string, { beat: string; at: number }>();

  constructor(
    private readonly db: Database,
    private readonly workflow: WorkflowPlugin,
    private readonly tables: Pick<Tables, 'announced' | 'sayGuarded' | 'unsayGuarded'>,
    /** Whether NocoBase begins with executions only by its own change of their rows. */
    private readonly isGuarded: boolean,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
    private readonly now: () => number = Date.now,
  ) {}

  start() {
    clearInterval(this.timer);
    if (!this.isGuarded) return;
    this.timer = setInterval(() => void this.look(), INTERVAL_MS);
    this.timer.unref();
  }

  async stop() {
    clearInterval(this.timer);
    this.timer = undefined;
    if (this.taken.size) await this.tables.unsayGuarded().catch(() => undefined);
  }

  /** The workflow versions of which sidehook runs what is queued. */
  get workflows(): ReadonlySet<string> {
    return this.taken;
  }

  /** Follows what instances have announced. */
  async look() {
    if (!this.isGuarded || this.isLooking) return;
    this.isLooking = true;
    try {
      const announced = await this.tables.announced();
      const alive = announced.filter((one) => this.isAlive(one));
      const before = this.taken;
      this.taken = new Set(alive.flatMap(({ workflows }) => workflows));
      // Once NocoBase leaves them alone, and not before.
      if (this.taken.size) await this.say();
      const given = [...before].filter((id) => !this.taken.has(id));
      if (given.length) {
        this.log.info(`sidehook: NocoBase runs by itself again what is queued of ${given.length} workflows`);
        await this.workflow.recover?.();
      }
    } catch (error) {
      this.log.warn(
        `sidehook: what sidehook takes from the queue cannot be read: ${(error as Error).message}`,
      );
    } finally {
      this.isLooking = false;
    }
  }

  /** Whether a message would begin an execution with which sidehook begins. */
  async takes(task: Task): Promise<boolean> {
    if (!this.taken.size || task.jobId != null || task.rerun != null) return false;
    const execution = await this.db.getRepository('executions').findOne({
      filterByTk: task.executionId,
      fields: ['id', 'workflowId', 'manually', 'parentExecutionId'],
    });
    // What is run by hand, or as a part of another execution, stays here.
    if (!execution || execution.manually || execution.parentExecutionId != null) return false;
    return this.taken.has(String(execution.workflowId));
  }

  private isAlive({ instance, beat }: Announced): boolean {
    const known = this.beats.get(instance);
    if (known?.beat !== beat) this.beats.set(instance, { beat, at: this.now() });
    return this.now() - this.beats.get(instance)!.at <= ALIVE_MS;
  }

  private async say() {
    if (this.now() - this.saidAt < SAID_EVERY_MS) return;
    await this.tables.sayGuarded(String(this.now()));
    this.saidAt = this.now();
  }
}
