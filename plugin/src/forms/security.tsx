// The folded part "Security and delivery" of the trigger's form: who may call, how often and with what, and what
// sidehook does before a workflow starts. Each member of `sidehook` has its fields here.

import { Alert, Collapse, Form, Space, Switch, Tag } from 'antd';
import type { TriggerConfig } from '../server/config';
import { LEVELS } from '../server/extensions';
import { METHODS, PUBLISHED } from '../server/members';
import type { Condition } from './conditions';
import { Challenge, Duplicates, type Question } from './delivery';
import { Line, Several, Words } from './fields';
import { Filter } from './filter';
import { Cors, RateLimit } from './limits';
import { useT } from './locale';
import { LogLevel } from './log-level';
import { Member } from './member';
import type { Extensions } from './members';
import { Sender } from './sender';
import {
  areWords,
  isChallenge,
  isCors,
  isDuplicates,
  isFilter,
  isRateLimit,
  isSignature,
  isToken,
} from './shown';
import { Signature } from './signature';
import { Token } from './token';

export function Security() {
  const t = useT();
  const form = Form.useFormInstance();
  const sidehook = Form.useWatch<TriggerConfig['sidehook']>(['config', 'sidehook'], { form, preserve: true });
  const labels = useLabels();
  const set = Object.keys(labels).filter((name) => sidehook?.[name] != null);
  const children = (
    <>
      <Alert
        showIcon
        type="info"
        style={{ marginBottom: 16 }}
        message={t(
          'sidehook keeps to all of this. NocoBase alone lets nobody in as soon as anything is set here.',
        )}
      />
      <Sender />
      <WhoMayCall labels={labels} />
      <HowMuch labels={labels} />
      <BeforeTheStart labels={labels} />
    </>
  );
  const tags = set.map((name) => <Tag key={name}>{labels[name as keyof typeof labels]}</Tag>);
  const header = (
    <Space wrap size={4}>
      {t('Security and delivery')}
      {tags}
    </Space>
  );
  return (
    <Collapse
      className="sidehook-security"
      style={{ marginBottom: 24 }}
      items={[{ key: 'security', label: header, forceRender: true, children }]}
    />
  );
}

/** The members that have fields here. */
function useLabels() {
  const t = useT();
  return {
    methods: t('Methods'),
    auth: t('Key or token'),
    signature: t('Signature'),
    ipAllowlist: t('Allowed addresses'),
    rateLimit: t('Rate limit'),
    bodyLimit: t('Largest body'),
    cors: 'CORS',
    idempotency: t('Duplicates'),
    challenge: t('Challenge'),
    filter: t('Filter'),
    parse: t('JSON inside of fields'),
    rawBody: t('Body as it was sent'),
    log: t('What is logged'),
  };
}

type Labels = { labels: ReturnType<typeof useLabels> };

function WhoMayCall({ labels }: Labels) {
  const t = useT();
  return (
    <>
      <Member<Extensions>
        name="signature"
        label={labels.signature}
        help={t('Lets in who has signed the request with a secret that both sides know.')}
        page="senders.md"
        fits={isSignature}
        fields={(control) => <Signature {...control} />}
      />
      <Member<Extensions>
        name="auth"
        label={labels.auth}
        help={t('Lets in who sends a key, a bearer token or a JWT.')}
        page="security.md"
        fits={isToken}
        fields={(control) => <Token {...control} />}
      />
      <Member<string[]>
        name="ipAllowlist"
        label={labels.ipAllowlist}
        help={t('Lets in calls from these addresses and ranges only, or from those that a sender publishes.')}
        page="security.md"
        fits={areWords}
        fields={(control) => <Words {...control} offered={PUBLISHED} placeholder="203.0.113.0/24" />}
      />
      <Member<string[]>
        name="methods"
        label={labels.methods}
        help={t('POST alone, unless others are chosen.')}
        page="security.md"
        fits={(value) => areWords(value) && value.every((method) => METHODS.includes(method))}
        fields={(control) => <Several {...control} options={METHODS} />}
      />
      <Member<Extensions | false>
        name="cors"
        label={labels.cors}
        help={t('Lets pages of other origins read the answers in a browser.')}
        page="security.md"
        fits={isCors}
        fields={(control) => <Cors {...control} />}
      />
    </>
  );
}

function HowMuch({ labels }: Labels) {
  const t = useT();
  return (
    <>
      <Member<Extensions>
        name="rateLimit"
        label={labels.rateLimit}
        help={t('Refuses more requests than these with 429.')}
        page="security.md"
        fits={isRateLimit}
        fields={(control) => <RateLimit {...control} />}
      />
      <Member<unknown>
        name="bodyLimit"
        label={labels.bodyLimit}
        help={t('Refuses longer bodies with 413.')}
        page="security.md"
        fits={(value) => typeof value === 'string' || typeof value === 'number'}
        fields={(control) => <Line {...control} placeholder="1mb" />}
      />
    </>
  );
}

function BeforeTheStart({ labels }: Labels) {
  const t = useT();
  return (
    <>
      <Member<Extensions | boolean>
        name="idempotency"
        label={labels.idempotency}
        help={t('A delivery that comes again starts nothing, and gets the same answer.')}
        page="duplicates.md"
        fits={isDuplicates}
        fields={(control) => <Duplicates {...control} />}
      />
      <Member<Question>
        name="challenge"
        label={labels.challenge}
        help={t('Answers the request by which a sender tries a new URL.')}
        page="senders.md"
        fits={isChallenge}
        fields={(control) => <Challenge {...control} />}
      />
      <Member<Condition>
        name="filter"
        label={labels.filter}
        help={t('What does not meet these conditions starts nothing.')}
        page="duplicates.md"
        fits={isFilter}
        fields={(control) => <Filter {...control} />}
      />
      <Member<string[]>
        name="parse"
        label={labels.parse}
        help={t('Fields whose texts are JSON, such as "payload" in forms of GitHub and Slack.')}
        page="bodies.md"
        fits={areWords}
        fields={(control) => <Words {...control} placeholder="payload" />}
      />
      <Member<boolean>
        name="rawBody"
        label={labels.rawBody}
        help={t('Gives nodes the body before anything was made of it, as the variable "rawBody".')}
        page="bodies.md"
        fits={(value) => typeof value === 'boolean'}
        fields={({ value, onChange }) => (
          <Switch checked={value === true} onChange={(on) => onChange?.(on || undefined)} />
        )}
      />
      <Member<string>
        name="log"
        label={labels.log}
        help={t('What the request log keeps of the requests of this webhook.')}
        page="requests.md"
        fits={(value) => LEVELS.includes(value as string)}
        fields={(control) => <LogLevel {...control} />}
      />
    </>
  );
}
