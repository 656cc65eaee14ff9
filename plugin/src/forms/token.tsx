// `sidehook.auth`: a key in a header or in the query, a bearer token, or a JWT.

import { ALGORITHMS } from '../server/members';
import { Choice, Field, type Labelled, Line, Nested, Words } from './fields';
import { useT } from './locale';
import { type Extensions, KEYS, KINDS, type Kind, kindOf, withKind, withMember } from './members';
import type { Control } from './part';
import { Secrets } from './secrets';

export function Token({ value, onChange, ...named }: Control<Extensions> & Labelled) {
  const t = useT();
  const kind = kindOf(value);
  const set = (name: string) => (member: unknown) => onChange?.({ ...value, [name]: member ?? '' });
  const labels = {
    header: t('In a header'),
    query: t('In the query'),
    bearer: t('Bearer token'),
    jwt: 'JWT',
  };
  const secret = (name: string) => (
    <Field label={t('Secret')}>
      <Secrets value={value?.[name] as string | string[]} onChange={set(name)} />
    </Field>
  );
  return (
    <>
      <Choice
        {...named}
        value={kind}
        placeholder={t('None')}
        options={KINDS.map((one) => ({ value: one, label: labels[one] }))}
        onChange={(chosen) => onChange?.(withKind(value, chosen as Kind | undefined))}
      />
      {kind && (
        <Nested>
          {(kind === 'header' || kind === 'query') && (
            <>
              <Field label={kind === 'header' ? t('Header name') : t('Query parameter')}>
                <Line value={value?.[kind]} onChange={set(kind)} />
              </Field>
              {secret('value')}
            </>
          )}
          {kind === 'bearer' && secret('bearer')}
          {kind === 'jwt' && <Jwt value={value?.jwt as Extensions} onChange={set('jwt')} />}
        </Nested>
      )}
    </>
  );
}

function Jwt({ value = {}, onChange }: Control<Extensions>) {
  const t = useT();
  const key = KEYS.find((one) => one in value);
  const set = (name: string) => (member: unknown) => onChange?.(withMember(value, name, member) ?? {});
  const labels = {
    secret: t('Secret'),
    publicKey: t('Public key'),
    jwks: t('URL of the public keys (JWKS)'),
  };
  const line = (name: string, label: string, placeholder?: string) => (
    <Field label={label}>
      <Line value={value[name]} onChange={set(name)} {...(placeholder ? { placeholder } : {})} />
    </Field>
  );
  const { secret: _, publicKey: __, jwks: ___, ...rest } = value;
  return (
    <>
      <Field label={t('Algorithms')}>
        <Words
          value={(value.algorithms ?? []) as string[]}
          offered={ALGORITHMS}
          onChange={set('algorithms')}
        />
      </Field>
      <Field label={t('Key')}>
        <Choice
          value={key}
          options={KEYS.map((one) => ({ value: one, label: labels[one] }))}
          onChange={(chosen) => onChange?.(chosen ? { ...rest, [chosen]: '' } : rest)}
        />
      </Field>
      {key === 'jwks' && line('jwks', labels.jwks, 'https://')}
      {key && key !== 'jwks' && (
        <Field label={labels[key]}>
          <Secrets
            value={value[key] as string | string[]}
            isPublic={key === 'publicKey'}
            onChange={(changed) => onChange?.({ ...rest, [key]: changed ?? '' })}
          />
        </Field>
      )}
      {line('issuer', t('Issuer'))}
      {line('audience', t('Audience'))}
      {line('leeway', t('How far clocks may differ'), '60s')}
    </>
  );
}
