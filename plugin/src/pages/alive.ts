// Whether anybody runs what only sidehook can: what the status says of it, in either client.

import { isServed } from '../server/extensions';
import type { Status } from '../server/status';

/** Instances give a sign of life each second, and others take their work over after some more. */
export const SILENT_AFTER_S = 15;

/** Whether calls reach a sidehook: by way of NocoBase where it hands them on, else in any way. */
export function isAlive({ url, reachable, instances }: Status): boolean {
  return url ? reachable === true : instances.some(isInstanceAlive);
}

export const isInstanceAlive = ({ silentFor }: Status['instances'][number]) => silentFor < SILENT_AFTER_S;

interface Workflow {
  type?: string;
  config?: { sidehook?: unknown } | null;
}

/** Whether the calls of a workflow are lost on NocoBase as long as no sidehook is alive. */
export function isMissed(workflow: Workflow | null | undefined, status: Status): boolean {
  if (workflow?.type !== 'webhook' || isAlive(status)) return false;
  // NocoBase runs the others by itself, unless it hands all of them on.
  return status.url !== null || !isServed(workflow.config?.sidehook);
}
