// The pages below "sidehook" in NocoBase's settings, for either client.

import type { ComponentType } from 'react';
import type { Places } from './places';
import { requestsPage } from './requests';

export interface Page {
  key: string;
  title: string;
  /** Who may see it: a permission of this name. */
  aclSnippet: string;
  Component: ComponentType;
}

export function pages(t: (text: string) => string, places: Places): Page[] {
  return [
    {
      key: 'requests',
      title: t('Request log'),
      aclSnippet: 'pm.sidehook.requests',
      Component: requestsPage(places),
    },
  ];
}
