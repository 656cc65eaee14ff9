// NocoBase has no place for additions on its pages about workflows: what stands there is looked at as it comes and goes.

/** NocoBase's pages about workflows, in both clients. */
const PAGES = /\/admin\/(settings\/)?workflow(\/|$)/;

/** Calls `look` after anything on those pages has changed, once for all that changes before the next frame. */
export function watchPages(style: string, look: () => void) {
  const element = document.createElement('style');
  element.textContent = style;
  document.head.append(element);
  let isPlanned = false;
  // Attributes are not observed: marks are some.
  const plan = () => {
    if (isPlanned || !PAGES.test(location.pathname)) return;
    isPlanned = true;
    requestAnimationFrame(() => {
      isPlanned = false;
      look();
    });
  };
  new MutationObserver(plan).observe(document.body, { childList: true, subtree: true, characterData: true });
}
