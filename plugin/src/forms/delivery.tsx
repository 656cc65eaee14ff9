// `sidehook.idempotency` and `sidehook.challenge`: what is recognised as having come before, and questions that are
// answered before anything starts.

import { AutoComplete, Switch } from 'antd';
import { CHALLENGES, WITH_TOKEN } from '../server/schemes';
import { Choice, Field, type Labelled, Line, Nested, plain } from './fields';
import { useT } from './locale';
import { type Extensions, withMember } from './members';
import type { Control } from './part';
import { Secrets } from './secrets';

/** Where senders put what tells one delivery from another; others can be typed. */
const PLACES = ['header:idempotency-key', 'header:x-request-id', 'body:id', 'query:id', 'body', 'signature'];

export function Duplicates({ value, onChange, ...named }: Control<Extensions | boolean> & Labelled) {
  const t = useT();
  const shown = value === true ? { from: 'signature' } : value || undefined;
  const set = (name: string) => (member: unknown) => onChange?.(withMember(shown, name, member));
  return (
    <>
      <Switch
        {...named}
        checked={Boolean(shown)}
        onChange={(on) => onChange?.(on ? { from: '' } : undefined)}
      />
      {shown && (
        <Nested>
          <Field label={t('Where the id of a delivery stands')}>
            <AutoComplete
              value={typeof shown.from === 'string' ? shown.from : ''}
              options={PLACES.map((one) => ({ value: one }))}
              placeholder="header:x-delivery-id"
              style={{ width: '100%' }}
              onChange={(from: string) => set('from')(from)}
            />
          </Field>
          <Field label={t('How long it is remembered')}>
            <Line value={shown.ttl} placeholder="24h" onChange={set('ttl')} />
          </Field>
          <Field label={t('Refuse deliveries without an id')}>
            <Switch checked={shown.required === true} onChange={(on) => set('required')(on || undefined)} />
          </Field>
        </Nested>
      )}
    </>
  );
}

export type Question = string | { type: string; token?: string | string[] };

export function Challenge({ value, onChange, ...named }: Control<Question> & Labelled) {
  const t = useT();
  const { type, token } = typeof value === 'object' ? value : { type: value, token: undefined };
  return (
    <>
      <Choice
        {...named}
        value={type}
        placeholder={t('None')}
        options={plain(CHALLENGES)}
        onChange={(chosen) =>
          onChange?.(
            chosen && WITH_TOKEN.includes(chosen) ? { type: chosen, ...(token ? { token } : {}) } : chosen,
          )
        }
      />
      {type && WITH_TOKEN.includes(type) && (
        <Nested>
          <Field label={t('Secret')}>
            <Secrets
              {...(token ? { value: token } : {})}
              onChange={(changed) => onChange?.({ type, ...(changed ? { token: changed } : {}) })}
            />
          </Field>
        </Nested>
      )}
    </>
  );
}
