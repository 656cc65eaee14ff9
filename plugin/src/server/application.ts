// Which applications of NocoBase sidehook serves, and how it is told which one is meant.

/** NocoBase's name of the main application. */
export const MAIN = 'main';

/** Names the application, for NocoBase's gateway and for sidehook. */
export const APP_HEADER = 'x-app';

/** Whether sidehook serves an application. `list` is `SIDEHOOK_APPS` as sidehook has it: names, some with `*`. */
export function isServed(app: string, list: string | undefined): boolean {
  if (app === MAIN) return true;
  const patterns = (list ?? '').split(',').map((pattern) => pattern.trim());
  return patterns.some((pattern) => pattern !== '' && isMatch(pattern, app));
}

/** The headers that say which application is meant. The main one needs none. */
export function headersOf(app: string): Record<string, string> {
  return app === MAIN ? {} : { [APP_HEADER]: app };
}

/** What the paths of an application's API begin with, with slashes around. */
export function apiPathOf(app: string, apiBasePath = '/api/'): string {
  return app === MAIN ? apiBasePath : `${apiBasePath}/__app/${encodeURIComponent(app)}/`;
}

function isMatch(pattern: string, app: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(app);
}
