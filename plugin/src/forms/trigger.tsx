// The trigger `webhook` as NocoBase's screens see it, and its form.

import { Alert, Divider, Form } from 'antd';
import { Trigger, useCurrentWorkflowContext } from '@nocobase/plugin-workflow/client-v2';
import { validateTrigger, type TriggerConfig } from '../server/config';
import { Address } from './address';
import { BasicAuthentication } from './basic-authentication';
import { ContextChoice, CustomPath } from './extensions';
import { KeptConfig, loaded } from './kept';
import { tExpr, useT } from './locale';
import { ManualForm } from './manual';
import { knownBy, KnownContext } from './offered';
import { Part } from './part';
import { Reply } from './reply';
import { RequestItems } from './request';
import { Security } from './security';
import { useStatus } from './status';
import { contextOptions, type FieldNames, named } from './variables';

export class WebhookTrigger extends Trigger {
  title = tExpr('Webhook event');
  description = tExpr('Starts the workflow when another system calls its URL.');
  FieldsetLoader = loaded(TriggerForm);
  TriggerFieldsetLoader = loaded(ManualForm);

  useVariables(config: TriggerConfig | undefined, { fieldNames }: { fieldNames?: FieldNames } = {}) {
    return named(contextOptions(config, useT()), fieldNames);
  }
}

function TriggerForm() {
  const t = useT();
  const { sync } = useCurrentWorkflowContext();
  const status = useStatus();
  return (
    <KnownContext.Provider value={knownBy(status)}>
      <KeptConfig />
      <Address status={status} />
      <Part name="basicAuthentication" check={validateTrigger}>
        <BasicAuthentication />
      </Part>
      <Divider orientation="left" orientationMargin={0}>
        {t('Request')}
      </Divider>
      <Part name="sidehook" member="context" check={validateTrigger}>
        <ContextChoice />
      </Part>
      <Part name="request" check={validateTrigger}>
        <RequestItems />
      </Part>
      <Divider orientation="left" orientationMargin={0}>
        {t('Response')}
      </Divider>
      {sync ? (
        <Form.Item>
          <Alert
            showIcon
            type="info"
            message={t(
              'Nodes of the type "Response" answer the caller. Without one the answer is 200 when the workflow succeeds, else 500.',
            )}
          />
        </Form.Item>
      ) : (
        <>
          <Form.Item>
            <Alert
              showIcon
              type="info"
              message={t(
                'The caller gets this answer at once. To answer with results, make a synchronous workflow with nodes of the type "Response".',
              )}
            />
          </Form.Item>
          <Part name="response" check={validateTrigger}>
            <Reply />
          </Part>
        </>
      )}
      <Divider orientation="left" orientationMargin={0}>
        sidehook
      </Divider>
      <Security />
      <Part name="sidehook" member="path" check={validateTrigger}>
        <CustomPath />
      </Part>
    </KnownContext.Provider>
  );
}
