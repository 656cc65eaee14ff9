// Which requests are shown: of which webhook, with which outcome, of which time, and with which text.

import { DatePicker, Input, Select, Space } from 'antd';
import dayjs from 'dayjs';
import { type Translate, useT } from '../forms/locale';
import type { Outcome } from '../server/requests';
import type { Selection } from './follow';

interface FiltersProps {
  value: Selection;
  onChange: (value: Selection) => void;
  /** What webhooks are called, by their keys. */
  titles: Record<string, string>;
}

export function Filters({ value, onChange, titles }: FiltersProps) {
  const t = useT();
  const { workflow, from, before } = value;
  const known = workflow && !titles[workflow] ? { ...titles, [workflow]: workflow } : titles;
  return (
    <Space wrap>
      <Select
        showSearch
        allowClear
        optionFilterProp="label"
        style={{ width: 200 }}
        value={workflow}
        placeholder={t('Workflow')}
        aria-label={t('Workflow')}
        options={Object.entries(known).map(([key, label]) => ({ value: key, label }))}
        onChange={(chosen?: string) => onChange({ ...value, workflow: chosen })}
      />
      <Select
        allowClear
        style={{ width: 140 }}
        value={value.outcome}
        placeholder={t('Outcome')}
        aria-label={t('Outcome')}
        options={Object.entries(outcomes(t)).map(([outcome, label]) => ({ value: outcome, label }))}
        onChange={(chosen?: string) => onChange({ ...value, outcome: chosen })}
      />
      <DatePicker.RangePicker
        showTime
        allowEmpty={[true, true]}
        value={[from ? dayjs(from) : null, before ? dayjs(before) : null]}
        onChange={(range) =>
          onChange({ ...value, from: range?.[0]?.valueOf(), before: range?.[1]?.valueOf() })
        }
      />
      <Input.Search
        allowClear
        defaultValue={value.text}
        style={{ width: 200 }}
        placeholder={t('Text in the request')}
        aria-label={t('Text in the request')}
        onSearch={(text) => onChange({ ...value, text: text || undefined })}
      />
    </Space>
  );
}

function outcomes(t: Translate): Record<Outcome, string> {
  return {
    answered: t('Answered'),
    refused: t('Refused'),
    failed: t('Failed'),
    duplicate: t('Duplicate'),
    waiting: t('No answer yet'),
  };
}
