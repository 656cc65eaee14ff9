import { expect, test } from 'vitest';
import { exampleOf, examples } from '../src/server/examples';
import { importWorkflow } from '../src/server/import';

/** A NocoBase with these node types, and a database that is not to be touched. */
async function faultOf(file: unknown, types = ['condition', 'end', 'response']) {
  const validateConfig = (config: object) => ('odd' in config ? { odd: 'Not this.' } : null);
  const workflow: any = {
    triggers: new Map([['webhook', { validateConfig }]]),
    instructions: new Map(types.map((type) => [type, {}])),
  };
  const db: any = new Proxy(
    {},
    {
      get() {
        throw new Error('the database is touched');
      },
    },
  );
  return importWorkflow(db, workflow, file, {} as any);
}

const file = (changes: object = {}) => ({ title: 'T', key: 't', config: {}, nodes: [], ...changes });

test.each([
  [undefined, 'It is no object.'],
  [[], 'It is no object.'],
  [file({ sinc: true }), '"sinc" is not known.'],
  [file({ key: ' ' }), '"key" is missing.'],
  [file({ config: [] }), '"config" is missing.'],
  [file({ config: { odd: 1 } }), 'Not this.'],
  [file({ collections: [{}] }), '"collections" is no list of collections.'],
  [file({ nodes: {} }), '"nodes" is no list.'],
  [file({ nodes: [{ key: 'a', type: 'end', titel: 'A' }] }), '"titel" of a node is not known.'],
  [file({ nodes: [{ key: 'a', type: 'fly' }] }), 'NocoBase has no node type "fly".'],
  [
    file({ nodes: [{ key: 'a', type: 'condition', branches: { 1: [{ key: 'a', type: 'end' }] } }] }),
    'Two nodes have the key "a".',
  ],
])('%j is refused before anything is written', async (wrong, invalid) => {
  expect(await faultOf(wrong)).toEqual({ invalid });
});

test('all examples are offered, and can be imported where their nodes are there', async () => {
  const all = examples();
  expect(all).toHaveLength(10);
  for (const { key, title } of all) {
    expect(title).not.toBe('');
    await expect(faultOf({ ...exampleOf(key)!, nodes: [] })).rejects.toThrow('the database is touched');
  }
  expect(exampleOf('none')).toBeUndefined();
});
