// One member of `sidehook` in the form: its label, a sentence of help with a link into the documentation, and what
// happens to values that its fields cannot show. Those are shown as JSON, so that nothing is lost or hidden.

import { Alert, Form, Input, Typography } from 'antd';
import { cloneElement, type ReactElement } from 'react';
import { validateTrigger } from '../server/config';
import type { Labelled } from './fields';
import { BrokenJson, parseJson } from './json';
import { useT } from './locale';
import { type Extensions, withMember } from './members';
import { type Control, Part } from './part';
import { isOffered, useKnown } from './offered';
import { useText } from './text';

export const DOCUMENTATION = 'https://github.com/sidehook/sidehook/blob/main/docs/';

export interface MemberProps<T> {
  name: string;
  label: string;
  help: string;
  /** Below `docs/`. */
  page: string;
  /** Whether the fields can show all of a value, so that changing one loses nothing. */
  fits: (value: unknown) => boolean;
  fields: (control: Control<T>) => ReactElement;
}

/** The fields of a member, or its JSON; nothing where the connected sidehook does not know it. */
export function Member<T>(props: MemberProps<T>) {
  const isKnown = useKnown();
  const form = Form.useFormInstance();
  const extensions = Form.useWatch<Extensions>(['config', 'sidehook'], { form, preserve: true });
  if (!isOffered(isKnown, props.name, extensions)) return null;
  return (
    <Part name="sidehook" member={props.name} check={validateTrigger}>
      <Fields {...props} />
    </Part>
  );
}

function Fields<T>(props: MemberProps<T> & Control<Extensions | null>) {
  const t = useT();
  const isKnown = useKnown();
  const { name, value: extensions, onChange } = props;
  const member = extensions?.[name];
  const change = (changed: unknown) => onChange?.(withMember(extensions, name, changed));
  const isShown = member == null || props.fits(member);
  return (
    <Form.Item
      label={props.label}
      className={`sidehook-${name}`}
      style={{ marginBottom: 0 }}
      extra={
        <>
          {!isKnown(name) && <Unknown />}
          {props.help}{' '}
          <Typography.Link href={DOCUMENTATION + props.page} target="_blank" rel="noreferrer">
            {t('Docs')}
          </Typography.Link>
        </>
      }
    >
      {cloneElement(
        isShown ? (
          props.fields({ ...(member == null ? {} : { value: member as T }), onChange: change })
        ) : (
          <AsJson value={member} onChange={change} />
        ),
        { 'aria-label': props.label },
      )}
    </Form.Item>
  );
}

/** Where something is set that the connected sidehook cannot keep to. */
export function Unknown() {
  const t = useT();
  return (
    <Alert
      showIcon
      type="warning"
      message={t('The connected sidehook does not know this, and lets nobody in as long as it is set.')}
    />
  );
}

function AsJson({ value, onChange, ...named }: Control<unknown> & Labelled) {
  const t = useT();
  const [text, change] = useText(value, onChange, (json) =>
    json instanceof BrokenJson ? json.text : JSON.stringify(json, null, 2),
  );
  return (
    <>
      <Typography.Text type="secondary">
        {t('This was set otherwise than by the fields here, and is shown as JSON.')}
      </Typography.Text>
      <Input.TextArea
        value={text}
        autoSize={{ minRows: 2, maxRows: 12 }}
        style={{ fontFamily: 'monospace' }}
        {...named}
        onChange={(event) => change(event.target.value, parseJson)}
      />
    </>
  );
}
