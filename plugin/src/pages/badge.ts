// The badge on executions that sidehook has begun, on NocoBase's list of executions and above the canvas of one. NocoBase
// has no place for additions there, and nothing is stored: the ids tell, and a style makes the badge.

import type { Api } from '@nocobase/flow-engine';
import { isOfSidehook } from './execution-id';
import { requestLink } from './request-link';
import { watchPages } from './watched';

/** The cells of the list, and the title above a canvas: one of them is the id itself. */
const PLACES = '.ant-drawer .ant-table-row > td, .ant-breadcrumb strong';
const ATTRIBUTE = 'data-sidehook-execution';
const STYLE = `[${ATTRIBUTE}]::after {
  content: 'sidehook';
  margin-inline-start: 8px;
  padding: 0 6px;
  border: 1px solid currentColor;
  border-radius: 4px;
  font-size: 12px;
  font-weight: normal;
  opacity: 0.65;
}
td[${ATTRIBUTE}]::after {
  display: table;
  margin: 2px 0 0;
}
.sidehook-request-link {
  margin-inline-start: 8px;
}`;

/** What is used of an element. */
type Place = Pick<Element, 'textContent' | 'hasAttribute' | 'setAttribute' | 'removeAttribute'>;

/** Marks executions on all of NocoBase's pages about workflows, and leads from each to its request. */
export function markExecutions(api: Pick<Api, 'request'>, t: (text: string) => string) {
  const link = requestLink(api, () => t('Its request in the log'));
  watchPages(STYLE, () => {
    mark(Array.from(document.querySelectorAll(PLACES)), t('Run by sidehook'));
    void link();
  });
}

/** Gives the badge to places with the id of an execution of sidehook, and takes it where there is another text now. */
export function mark(places: Place[], title: string) {
  for (const place of places) {
    const isMarked = place.hasAttribute(ATTRIBUTE);
    if (isMarked === isOfSidehook(place.textContent)) continue;
    for (const [name, value] of Object.entries({ [ATTRIBUTE]: '', title })) {
      if (isMarked) place.removeAttribute(name);
      else place.setAttribute(name, value);
    }
  }
}
