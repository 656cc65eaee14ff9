// The parts of NocoBase that the plugin's server half uses, as far as it uses them. NocoBase's own packages are
// not installed to build the plugin.

import type { IncomingMessage, ServerResponse } from 'node:http';

export type Id = number | string;
export type Faults = Record<string, string> | null;

export interface Workflow {
  id: Id;
  key: string;
  type: string;
  sync: boolean;
  enabled: boolean;
  config: unknown;
  options?: { deleteExecutionOnStatus?: number[] } | null;
}

export interface Execution {
  id: Id;
  workflowId: Id;
  status: number | null;
}

export interface Job {
  id: Id;
  result: unknown;
}

export interface FlowNode {
  id: Id;
  key: string;
  config: Record<string, unknown> | null;
}

export interface Processor {
  execution: Execution;
  options: { webhookReply?: (result: unknown) => void };
  getParsedValue(value: unknown, nodeId: Id): unknown;
  saveJob(job: Record<string, unknown>): Job;
  exit(status: number): Promise<unknown>;
}

export interface Logger {
  info(message: string, meta?: object): void;
  warn(message: string, meta?: object): void;
  error(message: string, meta?: object): void;
}

/** NocoBase's workflow plugin. */
export interface WorkflowPlugin {
  triggers: Registry;
  instructions: Registry;
  functions: { getEntities(): Iterable<[string, (...args: unknown[]) => unknown]> };
  enabledCache: Map<Id, Workflow>;
  registerTrigger(type: string, trigger: object): void;
  registerInstruction(type: string, instruction: object): void;
  trigger(workflow: Workflow, context: object, options?: object): Promise<Processor | null> | undefined;
  recover?(): Promise<void>;
  rerun?(execution: Execution, options: { nodeId: Id; overwrite: boolean }): Promise<unknown>;
  /** Private there. */
  dispatcher?: Dispatcher;
}

/** A message of the queue: begin an execution, go on after a job, or run it again. */
export interface Task {
  executionId: Id;
  jobId?: Id;
  rerun?: object;
}

interface Queued {
  status: number | null;
  dispatched?: boolean;
  startedAt?: unknown;
}

export interface Dispatcher {
  resolveTask?: (task: Task) => Promise<unknown>;
  acquireExecution?: (execution: Queued, ...rest: unknown[]) => Promise<unknown>;
  enter?: (execution: Queued, ...rest: unknown[]) => Promise<unknown>;
}

interface Registry {
  get(type: string): { validateConfig?(config: object): Faults } | undefined;
}

export interface Database {
  options: { dialect: string; schema?: string; tablePrefix?: string };
  hasCollection(name: string): boolean;
  getRepository(name: string): {
    findOne(options: object): Promise<any>;
    find(options: object): Promise<any[]>;
    create(options: object): Promise<{ id: Id }>;
    update(options: object): Promise<unknown>;
  };
  sequelize: {
    transaction<T>(work: (transaction: object) => Promise<T>): Promise<T>;
    query(sql: string, options?: object): Promise<any>;
    getQueryInterface(): {
      tableExists(table: string | { tableName: string; schema: string }): Promise<boolean>;
      quoteIdentifier(name: string, force?: boolean): string;
    };
  };
}

export interface Context {
  /** Of an action: the query of the request, and `filterByTk`. */
  action?: { params: Record<string, unknown> };
  path: string;
  /** Without `?`. */
  querystring: string;
  req: IncomingMessage;
  res: ServerResponse;
  method: string;
  respond?: boolean;
  body?: unknown;
  throw(status: number, message: string): never;
}

export type Next = () => Promise<void>;

export interface Application {
  name: string;
  db: Database;
  environment: { getVariables(): Record<string, unknown> };
  pm: { get(name: string): object | undefined };
  acl: { registerSnippet(snippet: { name: string; actions: string[] }): void };
  on(event: string, listener: () => void | Promise<void>): void;
  use(middleware: (ctx: Context, next: Next) => Promise<void>, options: object): void;
  resourceManager: { define(resource: { name: string; actions: object }): void };
}
