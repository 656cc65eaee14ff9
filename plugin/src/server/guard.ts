// Keeps NocoBase away from executions that belong to sidehook. Whatever makes NocoBase go on with an execution
// that exists (the loader of pending delays, queue recovery, `jobs:resume`, `executions:rerun`) ends as a message
// that its dispatcher turns into work: there such a message is dropped.

import type { Id, Logger, WorkflowPlugin } from './nocobase';

/** Whether the guard could be put up: the dispatcher's method is not part of NocoBase's public interface. */
export function putUpGuard(
  workflow: WorkflowPlugin,
  isLeased: (executionId: Id) => Promise<boolean>,
  log: Pick<Logger, 'info' | 'warn'>,
): boolean {
  const { dispatcher } = workflow;
  const resolveTask = dispatcher?.resolveTask;
  if (!dispatcher || typeof resolveTask !== 'function') {
    log.warn('sidehook: this NocoBase resumes delays of sidehook at its start: its dispatcher is not known');
    return false;
  }
  dispatcher.resolveTask = async (task) => {
    if (await isLeased(task.executionId)) {
      log.info(`sidehook: execution ${task.executionId} belongs to sidehook and is left to it`);
      return null;
    }
    return resolveTask.call(dispatcher, task);
  };
  return true;
}
