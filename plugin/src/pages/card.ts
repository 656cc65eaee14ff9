// The notice on the card of a trigger that nobody serves it, in the classic client, which has no place for notices.

import type { Api } from '@nocobase/flow-engine';
import type { Notices } from './notice';
import { watchPages } from './watched';

/** The canvas of a workflow. */
const CANVAS = /\/workflow\/workflows\/(\d+)/;
/** The card of its trigger, in all languages. */
const CARD = '[role="button"]:has(.workflow-node-meta .anticon-thunderbolt)';
const ATTRIBUTE = 'data-sidehook-silent';
const EVERY_MS = 10_000;
const STYLE = `[${ATTRIBUTE}]::after {
  content: '⚠ ' attr(${ATTRIBUTE});
  display: block;
  margin-top: 8px;
  padding: 4px 8px;
  border: 1px solid #faad14;
  border-radius: 4px;
  font-size: 12px;
}`;

/** What is used of an element. */
type Card = Pick<Element, 'getAttribute' | 'setAttribute' | 'removeAttribute'>;

export function warnOnCards(api: Pick<Api, 'request'>, notices: Notices) {
  const look = async () => {
    const id = canvasOf(location.pathname);
    if (!id) return;
    const text = await warningOf(id, api, notices);
    const card = document.querySelector(CARD);
    // Meanwhile it may be another page.
    if (card && canvasOf(location.pathname) === id) warn(card, text);
  };
  watchPages(STYLE, () => void look());
  // Somebody may look at a canvas for long.
  setInterval(look, EVERY_MS);
}

export const canvasOf = (pathname: string) => CANVAS.exec(pathname)?.[1];

/** Undefined where a workflow is served, and for those who may not know. */
export async function warningOf(
  id: string,
  api: Pick<Api, 'request'>,
  { isSilent, noticeOf }: Pick<Notices, 'isSilent' | 'noticeOf'>,
): Promise<string | undefined> {
  if (!(await isSilent())) return;
  try {
    const params = { filterByTk: id };
    const { data } = await api.request({ url: 'workflows:get', params, skipNotify: true });
    return noticeOf(data?.data as Record<string, unknown> | null)?.message;
  } catch {
    return;
  }
}

export function warn(card: Card, text: string | undefined) {
  if ((card.getAttribute(ATTRIBUTE) ?? undefined) === text) return;
  if (text) card.setAttribute(ATTRIBUTE, text);
  else card.removeAttribute(ATTRIBUTE);
}
