// Why sidehook does not do what a screen asks of it, and what to do then.

import type { Translate } from '../forms/locale';
import type { Hindered } from '../server/manage';

export function textOfObstacle({ obstacle, error }: Hindered, t: Translate): string {
  const texts: Record<Hindered['obstacle'], string> = {
    url: t('SIDEHOOK_URL is not set in NocoBase’s environment: it has to say where sidehook is.'),
    token: t(
      'SIDEHOOK_STATUS_TOKEN is not set in NocoBase’s environment: set it to the same value for NocoBase and sidehook.',
    ),
    closed: t(
      'sidehook is too old for this, or has no SIDEHOOK_STATUS_TOKEN: set it to the same value as for NocoBase.',
    ),
    denied: t('sidehook has another SIDEHOOK_STATUS_TOKEN than NocoBase: both need the same value.'),
    silent: t('sidehook does not answer: {{error}}', { error }),
    refused: t('sidehook does not do it: {{error}}', { error }),
    gone: t('This request is no longer kept.'),
  };
  return texts[obstacle];
}
