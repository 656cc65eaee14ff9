// The node `response` as NocoBase's screens see it, and its form.

import { SendOutlined } from '@ant-design/icons';
import { Form } from 'antd';
import { Instruction } from '@nocobase/plugin-workflow/client-v2';
import { validateResponse } from '../server/config';
import { KeptConfig, loaded } from './kept';
import { tExpr, useT } from './locale';
import { Part } from './part';
import { ReplyBody, ReplyHeaders, StatusCode } from './reply';
import { type FieldNames, named, replyOptions } from './variables';

interface Available {
  engine: { isWorkflowSync(workflow: object): boolean };
  workflow: { type: string };
}

export class ResponseInstruction extends Instruction {
  type = 'response';
  title = tExpr('Response');
  description = tExpr(
    'Answers the caller of a synchronous webhook workflow and ends the workflow. Elsewhere nobody waits for an answer.',
  );
  group = 'extended';
  icon = (<SendOutlined />);
  // Draws the end of its branch.
  end = true;
  FieldsetLoader = loaded(ResponseForm);

  createDefaultConfig() {
    return { statusCode: 200 };
  }

  isAvailable({ engine, workflow }: Available) {
    return workflow.type === 'webhook' && engine.isWorkflowSync(workflow);
  }

  useVariables(node: { key: string; title: string }, { fieldNames }: { fieldNames?: FieldNames } = {}) {
    return named([{ value: node.key, label: node.title, children: replyOptions(useT()) }], fieldNames)[0];
  }
}

function ResponseForm() {
  const t = useT();
  return (
    <>
      <KeptConfig />
      <Form.Item label={t('Status code')}>
        <Part name="statusCode" check={validateResponse}>
          <StatusCode />
        </Part>
      </Form.Item>
      <Form.Item label={t('Response headers')}>
        <Part name="headers" check={validateResponse}>
          <ReplyHeaders />
        </Part>
      </Form.Item>
      <Form.Item label={t('Response body')}>
        <Part name="body" check={validateResponse}>
          <ReplyBody />
        </Part>
      </Form.Item>
    </>
  );
}
