// The choice of what the request log keeps.

import type { LEVELS } from '../server/extensions';
import { Choice, type Labelled } from './fields';
import { type Translate, useT } from './locale';
import type { Control } from './part';

export function LogLevel({ value, onChange, ...named }: Control<string> & Labelled) {
  const t = useT();
  return (
    <Choice
      {...named}
      value={value}
      placeholder={t('As sidehook is set')}
      options={Object.entries(levels(t)).map(([level, label]) => ({ value: level, label }))}
      onChange={(level) => onChange?.(level)}
    />
  );
}

function levels(t: Translate): Record<(typeof LEVELS)[number], string> {
  return {
    off: t('Nothing'),
    refused: t('Refused and failed requests'),
    all: t('All requests, and the bodies of those that were refused or have failed'),
    bodies: t('All requests with their bodies'),
  };
}
