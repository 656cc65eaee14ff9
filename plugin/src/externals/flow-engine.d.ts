// Of `@nocobase/flow-engine`, which NocoBase provides at run time, to both of its clients.

interface TranslateOptions {
  ns: string[];
  nsMode: 'fallback';
  [value: string]: unknown;
}

interface RequestOptions {
  url: string;
  method?: 'get' | 'post';
  params?: object;
  /** The body. */
  data?: unknown;
  /** Whether the caller tells of errors itself. */
  skipNotify: boolean;
}

export interface Api {
  request(options: RequestOptions): Promise<{ data?: { data?: unknown } }>;
}

interface FlowContext {
  t(key: string, options: TranslateOptions): string;
  app: { getApiUrl(path: string): string };
  api: Api;
  i18n: { language: string };
}

export function useFlowEngine(): { context: FlowContext };

/** A text that NocoBase translates where it is shown. */
export function tExpr(key: string, options: TranslateOptions): string;
