// Texts in the language of whoever reads them: src/locale has them, by their English form.

import { tExpr as expression, useFlowEngine } from '@nocobase/flow-engine';

/** The name of the package, under which NocoBase keeps its texts; `client` has NocoBase's own, such as "Delete". */
const OPTIONS = { ns: ['@sidehook/plugin-workflow-webhook', 'client'], nsMode: 'fallback' as const };

/** For classes, which exist before the language is known. */
export function tExpr(text: string): string {
  return expression(text, OPTIONS);
}

export type Translate = (text: string, values?: Record<string, unknown>) => string;

export function useT(): Translate {
  const { context } = useFlowEngine();
  // React escapes what it shows; done twice, a URL would be full of `&#x2F;`.
  return (text, values) => context.t(text, { ...OPTIONS, interpolation: { escapeValue: false }, ...values });
}
