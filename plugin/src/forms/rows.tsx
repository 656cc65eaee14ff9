// A list of items, each with a path and perhaps an alias.

import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Input, Space } from 'antd';
import { useEffect, useState } from 'react';
import type { Item } from '../server/config';
import { withKey } from './items';
import { useT } from './locale';

interface RowsProps {
  rows: Item[];
  onChange: (rows: Item[]) => void;
  keyLabel: string;
  addLabel: string;
  hasAlias?: boolean;
}

export function Rows({ rows, onChange, keyLabel, addLabel, hasAlias }: RowsProps) {
  const t = useT();
  const replace = (index: number, row: Item) => onChange(rows.map((old, at) => (at === index ? row : old)));
  const others = (index: number) => rows.filter((_, at) => at !== index);
  return (
    <Space direction="vertical" style={{ width: '100%' }}>
      {rows.map((row, index) => (
        <Space.Compact block key={index}>
          <KeyInput
            value={row.key}
            label={keyLabel}
            onChange={(key) => replace(index, withKey(row, key, others(index)))}
          />
          {hasAlias && (
            <Input
              value={row.alias}
              placeholder={t('Alias')}
              aria-label={t('Alias')}
              onChange={(event) => replace(index, withAlias(row, event.target.value))}
            />
          )}
          <Button
            icon={<DeleteOutlined />}
            aria-label={t('Delete')}
            onClick={() => onChange(others(index))}
          />
        </Space.Compact>
      ))}
      <Button
        type="dashed"
        size="small"
        icon={<PlusOutlined />}
        onClick={() => onChange([...rows, { key: '' }])}
      >
        {addLabel}
      </Button>
    </Space>
  );
}

/** Hands a path over when it is complete: the first one that a row has decides its name. */
function KeyInput(props: { value: string; label: string; onChange: (key: string) => void }) {
  const [text, setText] = useState(props.value);
  useEffect(() => setText(props.value), [props.value]);
  const hand = () => {
    const key = text.trim();
    setText(key);
    if (key !== props.value) props.onChange(key);
  };
  return (
    <Input
      value={text}
      placeholder={props.label}
      aria-label={props.label}
      onChange={(event) => setText(event.target.value)}
      onBlur={hand}
      onPressEnter={hand}
    />
  );
}

function withAlias(row: Item, alias: string): Item {
  const { alias: _, ...rest } = row;
  return alias ? { ...rest, alias } : rest;
}
