// Adds a workflow from a file, as `sidehook import` does, with NocoBase's own repositories: collections that are not there
// are created, the workflow is switched off.

import { isObject } from './shapes';
import type { Context, Database, Id, WorkflowPlugin } from './nocobase';

export interface WorkflowFile {
  title: string;
  description?: string;
  /** The last part of its URL. */
  key: string;
  sync?: boolean;
  options?: object;
  config: object;
  nodes: NodeEntry[];
  /** Payloads of `collections:create`. */
  collections?: { name: string }[];
}

interface NodeEntry {
  key: string;
  type: string;
  title?: string;
  config?: object;
  /** The nodes inside of it, by the number of their branch. */
  branches?: Record<string, NodeEntry[]>;
}

/** What came of it. */
export type Imported = { id: Id; key: string } | { taken: string } | { invalid: string };

const MEMBERS = ['title', 'description', 'key', 'sync', 'options', 'config', 'nodes', 'collections', 'try'];
const NODE_MEMBERS = ['key', 'type', 'title', 'config', 'branches'];

export async function importWorkflow(
  db: Database,
  workflow: WorkflowPlugin | undefined,
  file: unknown,
  context: Context,
): Promise<Imported> {
  const invalid = faultOf(file, workflow);
  if (invalid) return { invalid };
  const { key, collections = [], ...rest } = file as WorkflowFile;
  if (await db.getRepository('workflows').findOne({ filter: { key } })) return { taken: key };
  for (const values of collections)
    if (!db.hasCollection(values.name)) await db.getRepository('collections').create({ values, context });
  return db.sequelize.transaction(async (transaction) => {
    const { title, description, sync = false, options, config, nodes } = rest;
    const values = {
      ...{ title, description, key, sync, config, type: 'webhook', enabled: false, current: true },
      options: { timeout: 0, ...options },
    };
    const { id } = await db.getRepository('workflows').create({ values, context, transaction });
    await addLine(
      db,
      nodes,
      { workflowId: id, upstreamId: null, branchIndex: null },
      { context, transaction },
    );
    return { id, key };
  });
}

/** Adds a line of nodes, each behind the one before; the first one stands where `place` says. */
async function addLine(db: Database, line: NodeEntry[], place: Place, options: object) {
  const nodes = db.getRepository('flow_nodes');
  let { upstreamId, branchIndex } = place;
  for (const [i, { key, type, title = key, config = {}, branches = {} }] of line.entries()) {
    const values = { key, type, title, config, workflowId: place.workflowId, upstreamId, branchIndex };
    const { id } = await nodes.create({ values, ...options });
    if (i > 0) await nodes.update({ filterByTk: upstreamId, values: { downstreamId: id }, ...options });
    for (const [index, branch] of Object.entries(branches))
      await addLine(db, branch, { ...place, upstreamId: id, branchIndex: Number(index) }, options);
    [upstreamId, branchIndex] = [id, null];
  }
}

interface Place {
  workflowId: Id;
  upstreamId: Id | null;
  branchIndex: number | null;
}

/** What is wrong with a file; nothing is lost by a name that is not known. */
function faultOf(file: unknown, workflow: WorkflowPlugin | undefined): string | undefined {
  if (!isObject(file)) return 'It is no object.';
  const unknown = Object.keys(file).find((name) => !MEMBERS.includes(name));
  if (unknown) return `"${unknown}" is not known.`;
  for (const name of ['title', 'key'])
    if (typeof file[name] !== 'string' || !file[name].trim()) return `"${name}" is missing.`;
  if (!isObject(file.config)) return '"config" is missing.';
  if (!isCollections(file.collections)) return '"collections" is no list of collections.';
  const faults = workflow?.triggers.get('webhook')?.validateConfig?.(file.config);
  if (faults) return Object.values(faults).join(' ');
  return faultOfNodes(file.nodes, workflow, new Set());
}

function isCollections(value: unknown): boolean {
  if (value === undefined) return true;
  return Array.isArray(value) && value.every((one) => isObject(one) && typeof one.name === 'string');
}

function faultOfNodes(
  nodes: unknown,
  workflow: WorkflowPlugin | undefined,
  seen: Set<string>,
): string | undefined {
  if (!Array.isArray(nodes)) return '"nodes" is no list.';
  for (const node of nodes as unknown[]) {
    if (!isObject(node)) return 'A node is no object.';
    const { key, type, branches = {} } = node;
    const unknown = Object.keys(node).find((name) => !NODE_MEMBERS.includes(name));
    if (unknown) return `"${unknown}" of a node is not known.`;
    if (typeof key !== 'string' || !key) return 'A node has no "key".';
    if (seen.has(key)) return `Two nodes have the key "${key}".`;
    seen.add(key);
    if (typeof type !== 'string' || !workflow?.instructions.get(type)) {
      return `NocoBase has no node type "${String(type)}".`;
    }
    if (!isObject(branches)) return `The branches of "${key}" are no object.`;
    for (const branch of Object.values(branches)) {
      const fault = faultOfNodes(branch, workflow, seen);
      if (fault) return fault;
    }
  }
  return undefined;
}
