// Keeps NocoBase away from executions that belong to sidehook, or that sidehook begins with. Whatever makes NocoBase go on
// with an execution that exists (the loader of pending delays, queue recovery, `jobs:resume`, `executions:rerun`), or begin
// with one that waits, ends as a message that its dispatcher turns into work: there such a message is dropped.

import type { Logger, Task, WorkflowPlugin } from './nocobase';

/** Whether the guard could be put up: the dispatcher's method is not part of NocoBase's public interface. */
export function putUpGuard(
  workflow: WorkflowPlugin,
  isSidehooks: (task: Task) => Promise<boolean>,
  log: Pick<Logger, 'info' | 'warn'>,
): boolean {
  const { dispatcher } = workflow;
  const resolveTask = dispatcher?.resolveTask;
  if (!dispatcher || typeof resolveTask !== 'function') {
    log.warn('sidehook: this NocoBase resumes delays of sidehook at its start: its dispatcher is not known');
    return false;
  }
  dispatcher.resolveTask = async (task) => {
    if (await isSidehooks(task)) {
      log.info(`sidehook: execution ${task.executionId} belongs to sidehook and is left to it`);
      return null;
    }
    return resolveTask.call(dispatcher, task);
  };
  return true;
}

/**
 * Has NocoBase begin with an execution only by its own change of the row. Between its first look at a row that waits and
 * its second one, another process may have begun with it: NocoBase then takes it for one that it goes on with.
 * Whether that could be put up.
 */
export function guardClaims(workflow: WorkflowPlugin): boolean {
  const { dispatcher } = workflow;
  const { acquireExecution, enter } = dispatcher ?? {};
  if (!dispatcher || typeof acquireExecution !== 'function' || typeof enter !== 'function') return false;
  const waited = new WeakSet<object>();
  dispatcher.acquireExecution = (execution, ...rest) => {
    if (execution.status == null) waited.add(execution);
    return acquireExecution.call(dispatcher, execution, ...rest);
  };
  dispatcher.enter = async (execution, ...rest) => {
    const isBegun = execution.dispatched && execution.status === 0 && execution.startedAt;
    return waited.has(execution) && isBegun ? null : enter.call(dispatcher, execution, ...rest);
  };
  return true;
}
