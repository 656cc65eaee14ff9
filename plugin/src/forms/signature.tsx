// `sidehook.signature`: the scheme of a sender, its secrets, and for `hmac` how the sender signs.

import { Input } from 'antd';
import { CHOICES, keyNames, SCHEMES } from '../server/schemes';
import { Choice, Field, type Labelled, Line, Nested, plain } from './fields';
import { useT } from './locale';
import { type Extensions, withKeys, withMember, withScheme } from './members';
import type { Control } from './part';
import { Secrets } from './secrets';
import { signedOfText, textOfSigned } from './signed';

/** As the senders' own pages call them. */
const NAMES: Record<string, string> = {
  aesKey: 'EncodingAESKey',
  receiver: 'CorpID / AppKey',
  token: 'Verification Token',
  topicArn: 'Topic ARN',
  appId: 'App ID',
  apiV3Key: 'APIv3 key',
};
const SECRET_NAMES = ['aesKey', 'token', 'apiV3Key'];

export function Signature({ value = {}, onChange, ...named }: Control<Extensions> & Labelled) {
  const t = useT();
  const scheme = typeof value.scheme === 'string' ? value.scheme : undefined;
  const traits = scheme ? SCHEMES[scheme]! : [];
  const set = (name: string) => (member: unknown) => onChange?.(withMember(value, name, member));
  const line = (name: string, label: string, placeholder = '') => (
    <Field key={name} label={label}>
      <Line value={value[name]} onChange={set(name)} placeholder={placeholder} />
    </Field>
  );
  return (
    <>
      <Choice
        {...named}
        value={scheme}
        placeholder={t('None')}
        options={plain(Object.keys(SCHEMES))}
        onChange={(chosen) => onChange?.(withScheme(value, chosen))}
      />
      {scheme && (
        <Nested>
          <Keys value={value} onChange={onChange!} />
          {scheme === 'hmac' && <Hmac value={value} set={set} line={line} />}
          {scheme === 'token' && (
            <>
              {line('header', t('Header name'))}
              {line('query', t('Query parameter'))}
              {line('body', t('Field of the body'))}
            </>
          )}
          {traits.map((trait) =>
            SECRET_NAMES.includes(trait) ? (
              <Field key={trait} label={NAMES[trait]!}>
                <Secrets value={value[trait] as string} onChange={set(trait)} isSingle />
              </Field>
            ) : (
              NAMES[trait] && line(trait, NAMES[trait])
            ),
          )}
          {traits.includes('url') && line('url', t('URL as the sender knows it'), 'https://')}
          {traits.includes('tolerance') && line('tolerance', t('How old a signature may be'), '5m')}
        </Nested>
      )}
    </>
  );
}

function Keys({ value = {}, onChange }: Control<Extensions>) {
  const t = useT();
  const [one, several] = keyNames(value.scheme as string);
  if (!one) return null;
  const isPublic = one === 'publicKey';
  const label = isPublic ? t('Public key') : t('Secret');
  return (
    <Field label={label}>
      <Secrets
        value={(value[several!] ?? value[one]) as string | string[]}
        isPublic={isPublic}
        onChange={(changed) => onChange?.(withKeys(value, changed))}
      />
    </Field>
  );
}

interface HmacProps {
  value: Extensions;
  set: (name: string) => (member: unknown) => void;
  line: (name: string, label: string, placeholder?: string) => JSX.Element;
}

function Hmac({ value, set, line }: HmacProps) {
  const t = useT();
  const choice = (name: keyof typeof CHOICES, label: string) => (
    <Field label={label}>
      <Choice
        value={value[name] as string | undefined}
        placeholder={CHOICES[name][0]!}
        options={plain(CHOICES[name])}
        onChange={set(name)}
      />
    </Field>
  );
  const signed = value.signed as string[] | undefined;
  return (
    <>
      {line('header', t('Header with the signature'), 'X-Signature')}
      {line('prefix', t('What stands before the signature'), 'sha256=')}
      {line('separator', t('What stands between several signatures'))}
      {choice('encoding', t('How the signature is written'))}
      {choice('hash', t('Hash'))}
      {choice('key', t('How the secret is written'))}
      <Field label={t('What is signed')}>
        <Input.TextArea
          value={signed ? textOfSigned(signed) : ''}
          autoSize
          placeholder="{timestamp}.{body}"
          onChange={(event) => set('signed')(signedOfText(event.target.value))}
        />
      </Field>
      {line('timestampHeader', t('Header with the time'), 'X-Timestamp')}
      {choice('timestampUnit', t('How the time is written'))}
      {line('idHeader', t('Header with the id of the delivery'), 'X-Delivery-Id')}
    </>
  );
}
