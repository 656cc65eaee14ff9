// A place to paste an example into, from which a button makes rows.

import { Button, Form, Input, Typography } from 'antd';
import { useState } from 'react';
import { BrokenJson } from './json';
import { useT } from './locale';
import { MAX_PATHS } from './paths';

interface PasteProps {
  placeholder: string;
  /** The height, which stays: a button that moves while it is clicked misses the click. */
  lines: number;
  parse: (text: string) => string[] | BrokenJson;
  onParsed: (paths: string[]) => void;
}

export function Paste({ placeholder, lines, parse, onParsed }: PasteProps) {
  const t = useT();
  const [text, setText] = useState('');
  const [fault, setFault] = useState<string>();
  const run = () => {
    const paths = parse(text);
    if (paths instanceof BrokenJson) {
      return setFault(t('This is not JSON: see line {{line}}, column {{column}}.', { ...paths }));
    }
    onParsed(paths);
    if (!paths.length) return setFault(t('Nothing to list was found.'));
    setFault(
      paths.length < MAX_PATHS
        ? undefined
        : t('Only the first {{number}} paths are listed.', { number: MAX_PATHS }),
    );
  };
  return (
    <Form.Item validateStatus={fault ? 'error' : ''} style={{ marginBottom: 8 }}>
      <Input.TextArea
        value={text}
        rows={lines}
        style={{ resize: 'none', fontFamily: 'monospace' }}
        placeholder={placeholder}
        aria-label={placeholder}
        onChange={(event) => setText(event.target.value)}
      />
      <Button size="small" style={{ marginTop: 8 }} disabled={text.trim() ? undefined : true} onClick={run}>
        {t('Parse')}
      </Button>
      {fault && (
        <Typography.Text type="danger" style={{ marginInlineStart: 8 }}>
          {fault}
        </Typography.Text>
      )}
    </Form.Item>
  );
}
