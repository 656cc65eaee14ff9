// The node `response` as NocoBase's screens see it.

import { SendOutlined } from '@ant-design/icons';
import { Instruction } from '@nocobase/plugin-workflow/client-v2';
import { KeptConfig } from './kept';
import { tExpr } from './locale';

interface Available {
  engine: { isWorkflowSync(workflow: object): boolean };
  workflow: { type: string };
}

export class ResponseInstruction extends Instruction {
  type = 'response';
  title = tExpr('Response');
  description = tExpr(
    'Answers the caller of a synchronous webhook workflow and ends the workflow. Elsewhere there is nobody to answer.',
  );
  group = 'extended';
  icon = (<SendOutlined />);
  // Draws the end of its branch.
  end = true;
  FieldsetLoader = async () => ({ default: KeptConfig });

  isAvailable({ engine, workflow }: Available) {
    return workflow.type === 'webhook' && engine.isWorkflowSync(workflow);
  }
}
