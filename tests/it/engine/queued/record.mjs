// Writes recorded.json anew: what a NocoBase queues by its triggers, and what it records when it runs that itself.
//
//     tests/e2e/up && bash -c '. tests/e2e/lib.sh && load_ports && node tests/it/engine/queued/record.mjs'
//
// Each case is a workflow behind NocoBase's API and something that starts it. sidehook takes no part. Names of nodes stand
// for their keys; what differs each time stays as it came, because the context and the results are of the same run.
import fs from "node:fs";
import { connect, signIn, sleep } from "../../../e2e/nocobase.mjs";

const api = await signIn();
const database = await connect();
const recorded = [];

const value = (text) => ({ type: "variable", config: { value: text } });
const basic = (calculator, ...operands) => ({
  engine: "basic",
  rejectOnFalse: false,
  calculation: {
    group: { type: "and", calculations: [{ calculator, operands }] },
  },
});
const calculation = (engine, expression) => ({
  type: "calculation",
  config: { engine, expression },
});

const collections = [
  {
    name: "qd_authors",
    fields: [
      { name: "name", type: "string", interface: "input" },
      { name: "born", type: "dateOnly", interface: "date" },
    ],
  },
  {
    name: "qd_comments",
    fields: [
      { name: "text", type: "string", interface: "input" },
      { name: "stars", type: "integer", interface: "integer" },
    ],
  },
  {
    name: "qd_posts",
    fields: [
      { name: "title", type: "string", interface: "input" },
      { name: "amount", type: "double", interface: "number" },
      { name: "published", type: "boolean", interface: "checkbox" },
      { name: "due", type: "date", interface: "datetime" },
      { name: "tags", type: "json", interface: "json" },
      {
        name: "author",
        type: "belongsTo",
        interface: "m2o",
        target: "qd_authors",
        foreignKey: "authorId",
      },
      {
        name: "comments",
        type: "hasMany",
        interface: "o2m",
        target: "qd_comments",
        foreignKey: "postId",
      },
    ],
  },
];
const post = (more = {}) => ({
  title: 'Zwölf & "acht"',
  amount: 12.5,
  published: true,
  due: "2031-03-30T01:30:00.000Z",
  tags: { a: [1, "x", null], deep: { b: false } },
  ...more,
});
const linked = () =>
  post({
    author: { name: "Ada", born: "1815-12-10" },
    comments: [
      { text: "one", stars: 3 },
      { text: "two", stars: 5 },
    ],
  });
const soon = () => new Date(Date.now() + 4_000).toISOString();
const create = async (values) =>
  (await api.post("qd_posts:create", values)).data;

const cases = [
  {
    name: "collection-create",
    about: "A record that was created, without its associations.",
    type: "collection",
    config: { collection: "qd_posts", mode: 1 },
    nodes: [
      { name: "all", ...value("{{$context.data}}") },
      {
        name: "double",
        ...calculation("math.js", "{{$context.data.amount}} * 2"),
      },
      {
        name: "is",
        type: "condition",
        config: basic("gt", "{{$jobsMapByNodeKey.double}}", 20),
      },
      {
        name: "yes",
        under: ["is", 1],
        ...value("{{$context.data.title}} of {{$context.data.authorId}}"),
      },
      { name: "no", under: ["is", 0], ...value("no") },
    ],
    start: () => create(post()),
  },
  {
    name: "collection-create-appends",
    about:
      "Associations that were created with the record are part of its data; a loop goes over them.",
    type: "collection",
    config: {
      collection: "qd_posts",
      mode: 1,
      appends: ["author", "comments"],
    },
    nodes: [
      { name: "texts", ...value("{{$context.data.comments.text}}") },
      {
        name: "author",
        ...value({
          name: "{{$context.data.author.name}}",
          born: "{{$context.data.author.born}}",
        }),
      },
      {
        name: "each",
        type: "loop",
        config: { target: "{{$context.data.comments}}" },
      },
      {
        name: "stars",
        under: ["each", 0],
        ...calculation("formula.js", "POWER({{$scopes.each.item.stars}}, 2)"),
      },
      {
        name: "last",
        ...value(
          "{{$jobsMapByNodeKey.stars}} {{$context.data.comments.length}}",
        ),
      },
    ],
    start: () => create(linked()),
  },
  {
    name: "collection-create-empty-appends",
    about: "Associations without records.",
    type: "collection",
    config: {
      collection: "qd_posts",
      mode: 1,
      appends: ["author", "comments"],
    },
    nodes: [
      { name: "author", ...value("{{$context.data.author}}") },
      { name: "name", ...value("{{$context.data.author.name}}") },
      { name: "texts", ...value("{{$context.data.comments.text}}") },
      {
        name: "each",
        type: "loop",
        config: { target: "{{$context.data.comments}}" },
      },
      { name: "never", under: ["each", 0], ...value(1) },
    ],
    start: () => create(post({ amount: null, tags: null })),
  },
  {
    name: "collection-update-changed",
    about: "A change of a field that the trigger names.",
    type: "collection",
    config: {
      collection: "qd_posts",
      mode: 2,
      changed: ["title"],
      appends: ["author"],
    },
    nodes: [
      {
        name: "title",
        ...value("{{$context.data.title}} by {{$context.data.author.name}}"),
      },
      {
        name: "times",
        ...value(["{{$context.data.due}}", "{{$context.data.tags.deep.b}}"]),
      },
    ],
    before: () => create(linked()),
    start: ({ id }) =>
      api.post("qd_posts:update", { title: "changed" }, { filterByTk: id }),
  },
  {
    name: "collection-update-condition",
    about: "A change that meets the condition of the trigger.",
    type: "collection",
    config: {
      collection: "qd_posts",
      mode: 3,
      changed: [],
      condition: { $and: [{ amount: { $gt: 100 } }] },
      appends: ["comments"],
    },
    nodes: [
      {
        name: "sum",
        ...calculation("formula.js", "SUM({{$context.data.comments.stars}})"),
      },
      {
        name: "which",
        type: "multi-conditions",
        config: {
          continueOnNoMatch: true,
          conditions: [
            {
              uid: "u1",
              title: "a",
              ...basic("equal", "{{$context.data.published}}", true),
            },
          ],
        },
      },
      {
        name: "matched",
        under: ["which", 1],
        ...value("{{$context.data.published}}"),
      },
      { name: "end", type: "end", config: { endStatus: -1 } },
    ],
    before: () => create(linked()),
    start: ({ id }) =>
      api.post("qd_posts:update", { amount: 250 }, { filterByTk: id }),
  },
  {
    name: "collection-destroy",
    about: "A record that is gone.",
    type: "collection",
    config: { collection: "qd_posts", mode: 4 },
    nodes: [
      {
        name: "id",
        ...calculation(
          "math.js",
          "{{$context.data.id}} - {{$context.data.id}} + 1",
        ),
      },
      { name: "title", ...value("{{$context.data.title}}") },
      {
        name: "map",
        type: "json-variable-mapping",
        config: {
          dataSource: "{{$context.data.tags}}",
          example: "{}",
          variables: [],
        },
      },
    ],
    before: () => create(post()),
    start: ({ id }) =>
      api.post("qd_posts:destroy", undefined, { filterByTk: id }),
  },
  {
    name: "schedule-static",
    about: "A time that was set.",
    type: "schedule",
    config: () => ({ mode: 0, startsOn: soon() }),
    nodes: [
      { name: "when", ...value("{{$context.date}}") },
      {
        name: "day",
        type: "dateCalculation",
        config: {
          input: "{{$context.date}}",
          inputType: "date",
          steps: [{ function: "get", arguments: { unit: "year" } }],
        },
      },
      {
        name: "is",
        type: "condition",
        config: basic("gt", "{{$context.date}}", "2020-01-01T00:00:00.000Z"),
      },
    ],
    start: () => {},
  },
  {
    name: "schedule-date-field",
    about: "The date of a record, with its associations.",
    type: "schedule",
    config: {
      mode: 1,
      collection: "qd_posts",
      startsOn: { field: "due" },
      appends: ["author", "comments"],
    },
    nodes: [
      {
        name: "when",
        ...value(["{{$context.date}}", "{{$context.data.due}}"]),
      },
      {
        name: "same",
        type: "condition",
        config: basic("equal", "{{$context.date}}", "{{$context.data.due}}"),
      },
      {
        name: "who",
        ...value(
          "{{$context.data.author.name}}: {{$context.data.comments.text}}",
        ),
      },
    ],
    start: () => create({ ...linked(), due: soon() }),
  },
  {
    name: "schedule-date-field-offset",
    about: "Some time before the date of a record.",
    type: "schedule",
    config: {
      mode: 1,
      collection: "qd_posts",
      startsOn: { field: "due", offset: -1, unit: 60_000 },
    },
    nodes: [
      {
        name: "left",
        type: "dateCalculation",
        config: {
          input: "{{$context.data.due}}",
          inputType: "date",
          steps: [
            {
              function: "diff",
              arguments: {
                date: "{{$context.date}}",
                unit: "second",
                isAbs: false,
              },
            },
          ],
        },
      },
      { name: "title", ...value("{{$context.data.title}}") },
    ],
    start: () =>
      create(post({ due: new Date(Date.now() + 64_000).toISOString() })),
  },
  {
    name: "custom-action-record",
    about:
      "A button on a record: the record, what the form sends, who has pressed it.",
    type: "custom-action",
    config: { type: 1, collection: "qd_posts", appends: ["author"] },
    nodes: [
      {
        name: "who",
        ...value({
          id: "{{$context.user.id}}",
          name: "{{$context.user.nickname}}",
          role: "{{$context.roleName}}",
        }),
      },
      {
        name: "data",
        ...value("{{$context.data.title}} {{$context.data.author.name}}"),
      },
      { name: "secret", ...value("{{$context.user.password}}") },
    ],
    before: () => create(linked()),
    start: ({ id }, { key }) =>
      api.post(
        "qd_posts:trigger",
        { title: "of the form" },
        { filterByTk: id, triggerWorkflows: key },
      ),
  },
  {
    name: "custom-action-records",
    about: "A button on several records.",
    type: "custom-action",
    config: { type: 2, collection: "qd_posts", appends: ["comments"] },
    nodes: [
      { name: "titles", ...value("{{$context.data.title}}") },
      { name: "stars", ...value("{{$context.data.comments.stars}}") },
      { name: "each", type: "loop", config: { target: "{{$context.data}}" } },
      {
        name: "one",
        under: ["each", 0],
        ...value("{{$scopes.each.index}}: {{$scopes.each.item.amount}}"),
      },
    ],
    before: async () => [
      await create(linked()),
      await create(post({ title: "other" })),
    ],
    start: ([one, other], { key }) =>
      api.post(
        "qd_posts:trigger",
        {},
        {
          filterByTk: JSON.stringify([one.id, other.id]),
          triggerWorkflows: key,
        },
      ),
  },
  {
    name: "custom-action-global",
    about: "A button without a record.",
    type: "custom-action",
    config: { type: 0 },
    nodes: [
      { name: "data", ...value("{{$context.data}}") },
      {
        name: "deep",
        ...value("{{$context.data.list.n}} of {{$context.roleName}}"),
      },
      {
        name: "query",
        type: "json-query",
        config: {
          engine: "jmespath",
          source: "{{$context.data}}",
          expression: "list[?n > `1`].n",
          model: null,
        },
      },
    ],
    start: (_, { key }) =>
      api.post(
        "workflows:trigger",
        { list: [{ n: 1 }, { n: 2 }] },
        { triggerWorkflows: key },
      ),
  },
  {
    name: "action-create",
    about: "After a record was submitted by a form that names the workflow.",
    type: "action",
    config: { collection: "qd_posts", appends: ["author", "comments"] },
    nodes: [
      {
        name: "who",
        ...value("{{$context.user.email}} as {{$context.roleName}}"),
      },
      { name: "data", ...value("{{$context.data.comments.text}}") },
      { name: "fails", ...calculation("math.js", "{{$context.data.title}} +") },
      { name: "never", ...value(1) },
    ],
    start: (_, { key }) =>
      api.post("qd_posts:create", linked(), { triggerWorkflows: key }),
  },
  {
    name: "action-update-global",
    about: "After any change of a record by a request.",
    type: "action",
    config: { collection: "qd_posts", global: true, actions: ["update"] },
    nodes: [
      { name: "both", type: "parallel", config: { mode: "all" } },
      { name: "a", under: ["both", 0], ...value("{{$context.data.amount}}") },
      { name: "b", under: ["both", 1], ...value("{{$context.data.tags.a}}") },
      {
        name: "out",
        type: "output",
        config: {
          value: { id: "{{$context.data.id}}", user: "{{$context.user.id}}" },
        },
      },
    ],
    before: () => create(post()),
    start: ({ id }) =>
      api.post("qd_posts:update", { amount: 7 }, { filterByTk: id }),
  },
];

const exists = new Set(
  (await api.get("collections:list", { paginate: false })).data.map(
    ({ name }) => name,
  ),
);
for (const collection of collections) {
  if (!exists.has(collection.name)) {
    await api.post("collections:create", {
      autoGenId: true,
      createdAt: true,
      updatedAt: true,
      sortable: false,
      ...collection,
    });
  }
}
for (const one of cases) recorded.push(await record(one));
for (const { name } of [...collections].reverse())
  await api.post("collections:destroy", undefined, {
    filterByTk: name,
    cascade: true,
  });
await database.end();
fs.writeFileSync(
  new URL("recorded.json", import.meta.url),
  `${JSON.stringify(recorded, null, 1)}\n`,
);
console.log(`${recorded.length} cases`);

async function record({ name, about, type, config, nodes, before, start }) {
  const given = typeof config === "function" ? config() : config;
  const made = await before?.();
  const workflow = (
    await api.post("workflows:create", {
      title: name,
      type,
      sync: false,
      enabled: false,
      options: { timeout: 0 },
      config: given,
    })
  ).data;
  const keys = {};
  const last = {};
  const stored = [];
  for (const { name: node, under, type, config } of nodes) {
    const line = under ? under.join(":") : "main";
    const upstream = last[line] ?? (under ? keys[under[0]] : null);
    const branchIndex = under && !last[line] ? under[1] : null;
    const text = JSON.stringify(config).replace(
      /\$(jobsMapByNodeKey|scopes)\.(\w+)/g,
      (_, scope, of) => `$${scope}.${keys[of]?.key ?? of}`,
    );
    keys[node] = (
      await api.post(`workflows/${workflow.id}/nodes:create`, {
        type,
        title: node,
        upstreamId: upstream?.id ?? null,
        branchIndex,
        config: JSON.parse(text),
      })
    ).data;
    last[line] = keys[node];
    stored.push({ key: node, type, under: under ?? null, config });
  }
  await api.post(
    "workflows:update",
    { enabled: true },
    { filterByTk: workflow.id },
  );
  await start(made, workflow);
  const execution = await ended(workflow, name);
  const names = Object.fromEntries(
    Object.entries(keys).map(([node, { id }]) => [id, node]),
  );
  const { rows } = await database.query(
    'SELECT id, "nodeId", "upstreamId", status, result, meta FROM jobs WHERE "executionId" = $1 ORDER BY id',
    [execution.id],
  );
  const places = Object.fromEntries(rows.map(({ id }, place) => [id, place]));
  await api.post("workflows:destroy", undefined, { filterByTk: workflow.id });
  return {
    name,
    about,
    type,
    config: given,
    nodes: stored,
    context: execution.context,
    status: execution.status,
    output: execution.output,
    jobs: rows.map(({ nodeId, upstreamId, status, result, meta }) => ({
      node: names[nodeId],
      upstream: upstreamId === null ? null : places[upstreamId],
      status,
      result,
      meta,
    })),
  };
}

async function ended(workflow, name) {
  for (let i = 0; i < 200; i += 1) {
    const { rows } = await database.query(
      'SELECT * FROM executions WHERE "workflowId" = $1',
      [workflow.id],
    );
    if (
      rows.length &&
      rows.every(({ status }) => status !== null && status !== 0)
    )
      return rows[0];
    await sleep(200);
  }
  throw new Error(`${name} has no execution that has ended`);
}
