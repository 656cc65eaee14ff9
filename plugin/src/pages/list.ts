// The pages below "sidehook" in NocoBase's settings, for either client.

import type { ComponentType } from 'react';
import type { WorkflowPlugin } from '@nocobase/client-v2';
import type { Api } from '@nocobase/flow-engine';
import { warnOnCards } from './card';
import { examplesPage } from './examples';
import { noticeProvider } from './notice';
import type { Places } from './places';
import { requestsPage } from './requests';
import { StatusPage } from './status';

export interface Page {
  key: string;
  title: string;
  /** Who may see it: a permission of this name. */
  aclSnippet: string;
  /** NocoBase would put them in the order of their keys. */
  sort: number;
  Component: ComponentType;
}

export function pages(t: (text: string) => string, places: Places): Page[] {
  return [
    {
      key: 'requests',
      title: t('Request log'),
      aclSnippet: 'pm.sidehook.requests',
      sort: 1,
      Component: requestsPage(places),
    },
    { key: 'status', title: t('Status'), aclSnippet: 'pm.sidehook', sort: 2, Component: StatusPage },
    {
      key: 'examples',
      title: t('Examples'),
      aclSnippet: 'pm.sidehook.examples',
      sort: 3,
      Component: examplesPage(places),
    },
  ];
}

/** Has cards say it where no sidehook is alive that a webhook needs. */
export function tellOfSilence(
  workflow: WorkflowPlugin | undefined,
  api: Api,
  t: (text: string) => string,
): void {
  const texts = () => ({
    message: t('No sidehook is alive.'),
    description: t(
      'Webhooks that only sidehook can serve are refused, and executions that belong to it wait. Start sidehook.',
    ),
  });
  const notices = noticeProvider(api, texts);
  if (!workflow?.registerWorkflowNoticeProvider) return warnOnCards(api, notices);
  // A card is drawn once, and does not wait.
  if (location.pathname.includes('/workflow')) void notices.ask();
  workflow.registerWorkflowNoticeProvider('sidehook', notices.provider);
}
