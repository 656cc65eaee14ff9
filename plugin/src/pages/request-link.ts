// The link from the page of an execution of sidehook to its request in the log, for those who may see that.

import type { Api } from '@nocobase/flow-engine';
import { isOfSidehook } from './execution-id';
import { REQUESTS } from './paths';

const CLASS = 'sidehook-request-link';

/** Where the requests of an execution are, seen from the page at `pathname`; undefined on other pages. */
export function requestsOf(pathname: string): string | undefined {
  const [, prefix, id] = /^(.*)\/admin\/.*workflow\/executions\/(\d+)$/.exec(pathname) ?? [];
  return id && isOfSidehook(id) ? `${prefix}${REQUESTS}?text=${id}` : undefined;
}

/** What puts the link behind the title of an execution, and takes it away elsewhere. */
export function requestLink(api: Pick<Api, 'request'>, text: () => string) {
  let isAllowed: boolean | undefined;
  const ask = () =>
    api.request({ url: 'sidehook:webhooks', skipNotify: true }).then(
      () => true,
      () => false,
    );
  return async () => {
    const href = requestsOf(location.pathname);
    if (href) isAllowed ??= await ask();
    // Meanwhile it may be another page.
    const list = document.querySelector('.ant-breadcrumb > ol');
    const link = document.querySelector(`.${CLASS}`);
    if (!href || !isAllowed || href !== requestsOf(location.pathname)) return link?.remove();
    if (!list || link?.querySelector('a')?.getAttribute('href') === href) return;
    link?.remove();
    const item = document.createElement('li');
    item.className = CLASS;
    const anchor = document.createElement('a');
    Object.assign(anchor, { href, target: '_blank', textContent: text() });
    item.append(anchor);
    list.append(item);
  };
}
