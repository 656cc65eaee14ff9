// Of `@nocobase/flow-engine`, which NocoBase provides at run time, to both of its clients.

interface TranslateOptions {
  ns: string[];
  nsMode: 'fallback';
  [value: string]: unknown;
}

export function useFlowEngine(): {
  context: { t(key: string, options: TranslateOptions): string };
};

/** A text that NocoBase translates where it is shown. */
export function tExpr(key: string, options: TranslateOptions): string;
