// `sidehook.rateLimit` and `sidehook.cors`.

import { Switch } from 'antd';
import { Choice, Count, Field, type Labelled, Line, Nested, Words } from './fields';
import { useT } from './locale';
import { type Extensions, withMember } from './members';
import type { Control } from './part';

const HEADERS = ['headers', 'exposedHeaders'] as const;

export function RateLimit({ value, onChange }: Control<Extensions>) {
  const t = useT();
  const set = (name: string) => (member: unknown) => onChange?.(withMember(value, name, member));
  const by = value?.by;
  const header = (by as { header?: string } | undefined)?.header;
  const kind = typeof header === 'string' ? 'header' : ((by as string | undefined) ?? undefined);
  return (
    <>
      <Field label={t('Requests')}>
        <Count value={value?.requests} placeholder="60" onChange={set('requests')} />
      </Field>
      {value && (
        <Nested>
          <Field label={t('In this time')}>
            <Line value={value.per} placeholder="1m" onChange={set('per')} />
          </Field>
          <Field label={t('At once')}>
            <Count value={value.burst} onChange={set('burst')} />
          </Field>
          <Field label={t('Counted for')}>
            <Choice
              value={kind}
              placeholder={t('All senders together')}
              options={[
                { value: 'workflow', label: t('All senders together') },
                { value: 'address', label: t('Each address') },
                { value: 'header', label: t('Each value of a header') },
              ]}
              onChange={(chosen) => set('by')(chosen === 'header' ? { header: '' } : chosen)}
            />
          </Field>
          {kind === 'header' && (
            <Field label={t('Header name')}>
              <Line value={header} onChange={(name) => set('by')({ header: name ?? '' })} />
            </Field>
          )}
        </Nested>
      )}
    </>
  );
}

export function Cors({ value, onChange, ...named }: Control<Extensions | false> & Labelled) {
  const t = useT();
  const rules = value || undefined;
  const set = (name: string) => (member: unknown) => onChange?.(withMember(rules, name, member));
  const kind = value === false ? 'none' : value ? 'some' : undefined;
  return (
    <>
      <Choice
        {...named}
        value={kind}

        placeholder={t('As NocoBase is set')}
        options={[
          { value: 'none', label: t('No page of another origin') },
          { value: 'some', label: t('Pages of these origins') },
        ]}
        onChange={(chosen) => onChange?.(chosen === 'none' ? false : chosen ? { origins: [] } : undefined)}
      />
      {rules && (
        <Nested>
          <Field label={t('Origins')}>
            <Words
              value={(rules.origins ?? []) as string[]}
              offered={['*']}
              placeholder="https://shop.example"
              onChange={(origins) => set('origins')(origins ?? [])}
            />
          </Field>
          <Field label={t('With cookies and credentials')}>
            <Switch
              checked={rules.credentials === true}
              onChange={(on) => set('credentials')(on || undefined)}
            />
          </Field>
          {HEADERS.map((name) => (
            <Field
              key={name}
              label={name === 'headers' ? t('Headers of requests') : t('Headers that pages may read')}
            >
              <Words value={(rules[name] ?? []) as string[]} onChange={set(name)} />
            </Field>
          ))}
          <Field label={t('How long a browser remembers this')}>
            <Line value={rules.maxAge} placeholder="10m" onChange={set('maxAge')} />
          </Field>
        </Nested>
      )}
    </>
  );
}
