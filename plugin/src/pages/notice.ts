// The notice on trigger cards and in the list of workflows that nobody serves a webhook.

import type { Api } from '@nocobase/flow-engine';
import type { Status } from '../server/status';
import { isAlive, isMissed } from './alive';

/** A card asks whenever it is drawn. */
const OLD_AFTER_MS = 10_000;

interface Asked {
  workflow?: Record<string, unknown> | null;
}

export type Notices = ReturnType<typeof noticeProvider>;

/** NocoBase's shape of it. */
export interface Notice {
  key: string;
  type: 'warning';
  message: string;
  description: string;
}

/** Tells what stands in `texts` of every workflow that is missed. Those who may not know the status are told nothing. */
export function noticeProvider(
  api: Pick<Api, 'request'>,
  texts: () => Pick<Notice, 'message' | 'description'>,
) {
  let status: Status | undefined;
  let askedAt = 0;
  const ask = async () => {
    askedAt = Date.now();
    try {
      const { data } = await api.request({ url: 'sidehook:status', skipNotify: true });
      status = data?.data as Status | undefined;
    } catch {
      status = undefined;
    }
  };
  const askAgain = () => (Date.now() - askedAt < OLD_AFTER_MS ? Promise.resolve() : ask());
  const noticeOf = (workflow: Asked['workflow']): Notice | null =>
    status && isMissed(workflow, status) ? { key: 'sidehook', type: 'warning', ...texts() } : null;
  /** Whether it is known that no sidehook is alive. */
  const isSilent = async () => {
    await askAgain();
    return status !== undefined && !isAlive(status);
  };
  return {
    ask,
    isSilent,
    noticeOf,
    provider: {
      getNotices: ({ workflow, surface }: Asked & { surface: string }) => {
        // The list waits for the answer, a card does not.
        if (surface !== 'trigger-node-card') return null;
        void askAgain();
        return noticeOf(workflow);
      },
      loadWorkflowListNotices: async ({ workflows }: { workflows: Record<string, unknown>[] }) => {
        await askAgain();
        return Object.fromEntries(workflows.map((workflow) => [String(workflow.id), noticeOf(workflow)]));
      },
    },
  };
}
