// `request`: what is picked of a request, in three parts.

import { Form } from 'antd';
import { type Part, type Request, rowsOf, withPaths, withRows } from './items';
import { BrokenJson, parseJson } from './json';
import { useT } from './locale';
import { LoggedRequests } from './logged';
import { Paste } from './paste';
import { pathsOf } from './paths';
import { parseQuery } from './query';
import { Rows } from './rows';
import type { Control } from './part';

export function RequestItems({ value, onChange }: Control<Request | null>) {
  const t = useT();
  const rows = (part: Part) => ({
    rows: rowsOf(value, part),
    onChange: (changed: ReturnType<typeof rowsOf>) => onChange?.(withRows(value, part, changed)),
  });
  const add = (part: Part) => (paths: string[]) =>
    onChange?.(withRows(value, part, withPaths(rowsOf(value, part), paths)));
  return (
    <>
      <LoggedRequests value={value} onChange={onChange} />
      <Form.Item label={t('Headers')}>
        <Rows {...rows('headers')} keyLabel={t('Header name')} addLabel={t('Add header')} />
      </Form.Item>
      <Form.Item label={t('Query parameters')}>
        <Paste
          placeholder={t('Paste a URL or a query string')}
          lines={2}
          parse={(text) => pathsOf(parseQuery(text))}
          onParsed={add('query')}
        />
        <Rows {...rows('query')} keyLabel={t('Path')} addLabel={t('Add parameter')} hasAlias />
      </Form.Item>
      <Form.Item label={t('Body')} style={{ marginBottom: 0 }}>
        <Paste
          placeholder={t('Paste an example in JSON')}
          lines={5}
          parse={bodyPaths}
          onParsed={add('body')}
        />
        <Rows {...rows('body')} keyLabel={t('Path')} addLabel={t('Add path')} hasAlias />
      </Form.Item>
    </>
  );
}

function bodyPaths(text: string): string[] | BrokenJson {
  const value = parseJson(text);
  return value instanceof BrokenJson ? value : pathsOf(value);
}
