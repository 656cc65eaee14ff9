// The page "Examples" of the settings: workflows that are added by a click, or from a file.

import { Alert, Button, Card, Table, Upload } from 'antd';
import { useFlowEngine } from '@nocobase/flow-engine';
import { useEffect, useState } from 'react';
import { type Translate, useT } from '../forms/locale';
import type { Example } from '../server/examples';
import type { Imported } from '../server/import';
import { type Places, PlacesContext, WorkflowLink } from './places';

export const examplesPage = (places: Places) =>
  function ExamplesPage() {
    return (
      <PlacesContext.Provider value={places}>
        <Card className="sidehook-examples">
          <Examples />
        </Card>
      </PlacesContext.Provider>
    );
  };

function Examples() {
  const t = useT();
  const { api } = useFlowEngine().context;
  const [examples, setExamples] = useState<Example[]>();
  const [told, setTold] = useState<Imported>();
  useEffect(() => {
    const answer = api.request({ url: 'sidehook:examples', skipNotify: true });
    answer.then(
      ({ data }) => setExamples(data?.data as Example[]),
      () => setExamples([]),
    );
  }, [api]);
  const add = async (request: { params?: object; data?: unknown }) => {
    const result = await api
      .request({ url: 'sidehook:import', method: 'post', skipNotify: true, ...request })
      .then(
        ({ data }) => data?.data as Imported,
        (error: Error): Imported => ({ invalid: error.message }),
      );
    setTold(result);
  };
  const read = async (file: Blob) => {
    try {
      await add({ data: JSON.parse(await file.text()) });
    } catch (error) {
      setTold({ invalid: (error as Error).message });
    }
  };
  const upload = (file: Blob) => {
    void read(file);
    return false;
  };
  const columns = [
    { title: t('Title'), dataIndex: 'title', width: 240 },
    { title: t('Description'), key: 'description', render: (example: Example) => described(example, t) },
    {
      key: 'import',
      render: ({ key }: Example) => (
        <Button size="small" onClick={() => add({ params: { filterByTk: key } })}>
          {t('Import')}
        </Button>
      ),
    },
  ];
  return (
    <div style={{ display: 'flex', flexDirection: 'column', gap: 16 }}>
      {told && <Told told={told} />}
      <Upload accept=".json" showUploadList={false} beforeUpload={upload}>
        <Button>{t('Import a file')}</Button>
      </Upload>
      <Table
        size="small"
        rowKey="key"
        loading={!examples}
        pagination={false}
        dataSource={examples}
        columns={columns}
      />
    </div>
  );
}

function described({ description, collections }: Example, t: Translate): string {
  if (!collections.length) return description;
  return `${description} ${t('The collection {{name}} is created if it is not there.', { name: collections.join(', ') })}`;
}

function Told({ told }: { told: Imported }) {
  const t = useT();
  if ('taken' in told)
    return (
      <Alert
        showIcon
        type="error"
        message={t('There is a workflow with the key {{key}} already.', { key: told.taken })}
      />
    );
  if ('invalid' in told)
    return (
      <Alert showIcon type="error" message={t('It cannot be imported: {{error}}', { error: told.invalid })} />
    );
  return (
    <Alert
      showIcon
      type="success"
      message={t('It is imported and switched off: look through it, then switch it on.')}
      description={<WorkflowLink id={told.id}>{t('Open the workflow')}</WorkflowLink>}
    />
  );
}
