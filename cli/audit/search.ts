import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { z } from 'zod';
import { forgetProjection, searchLag } from '#src/audit/search/project.ts';
import { FACETS } from '#src/audit/search/counts.ts';
import type { Api } from '../api.ts';
import { apisFor } from '../apis.ts';
import { integer, parse, type Command, type Options } from '../command.ts';
import { IDENTITY_OPTIONS } from '../connection.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import { withStore } from '../store.ts';
import { renderTable } from '../table.ts';
import { printable, type Terminal } from '../terminal.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  ...IDENTITY_OPTIONS,
  as: { type: 'string', value: 'WHO', about: "one of the demo's people (default: oncall)" },
  api: { type: 'string', value: 'URL', about: 'address of the API, ends in /api/v1' },
  limit: {
    type: 'string',
    value: 'N',
    about: 'search: at most so many (default 50; of an export 10000)',
  },
  cursor: { type: 'string', value: 'CURSOR', about: 'search: a page after or before another one' },
  facets: { type: 'boolean', about: 'search: counts instead of records' },
  view: {
    type: 'string',
    value: 'NAME',
    about: 'search: a search that is kept; with words, it is kept under this name',
  },
  share: {
    type: 'string',
    value: 'GROUP',
    multiple: true,
    about: 'search --view: with these groups',
  },
  channel: {
    type: 'string',
    value: 'NAME',
    about: 'search --view: tell this channel of what matches',
  },
  forget: { type: 'boolean', about: 'search --view: keep it no longer' },
  export: { type: 'string', value: 'csv|ndjson', about: 'search: all of it, as a file' },
  'with-proofs': {
    type: 'boolean',
    about: 'search --export ndjson: with the proof of each record',
  },
  out: {
    type: 'string',
    value: 'FILE',
    about: 'search --export: write it there; default: print it',
  },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const searchCommand: Command = {
  usage: [
    'audit search [QUERY…] [--limit N] [--cursor CURSOR] [--facets]',
    'audit search [QUERY…] --export csv|ndjson [--with-proofs] [--out FILE]',
    'audit search --view NAME [QUERY… [--share GROUP] [--channel NAME] | --forget]',
    'audit search rebuild',
  ],
  about:
    'search finds records, newest first: words, and qualifiers such as person:engineer verdict:held after:7d (docs/search.md). Put -- in\n' +
    'front of a query that begins with -. Every search and export is itself recorded. rebuild makes what is searched anew from the log.',
  options: OPTIONS,
  examples: [
    'countersign audit search person:engineer effect:delete after:7d',
    'countersign audit search verdict:held --export ndjson --with-proofs --out held.ndjson',
  ],
  run: search,
};

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];

async function search(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals[0] === 'rebuild' && positionals.length === 1)
    return rebuild(values.config, terminal);
  const q = positionals.join(' ');
  const { reader } = await apisFor(values, 'oncall');
  if (values.view !== undefined) return inView(reader, values.view, q, values, terminal);
  return run(reader, q, values, terminal);
}

async function run(api: Api, q: string, values: Values, terminal: Terminal): Promise<number> {
  if (values.export !== undefined) return exported(api, q, values, terminal);
  if (values.facets) return counted(api, q, values, terminal);
  return found(api, q, values, terminal);
}

const foundReply = z.object({
  records: z.array(
    z.looseObject({
      id: z.string(),
      at: z.string(),
      kind: z.string(),
      person: z.string().optional(),
      target: z.string().optional(),
      verdicts: z.array(z.string()).optional(),
      rows: z.number().optional(),
      body: z.looseObject({ text: z.unknown().optional() }).optional(),
    }),
  ),
  newer: z.string().optional(),
  older: z.string().optional(),
});

async function found(api: Api, q: string, values: Values, terminal: Terminal): Promise<number> {
  const limit = integer(values.limit ?? '50', 'limit', 1, 500);
  const query = new URLSearchParams({
    q,
    limit: String(limit),
    ...(values.cursor !== undefined && { cursor: values.cursor }),
  });
  const reply = await api.get(`/records?${query.toString()}`, foundReply);
  if (values.json) terminal.out(JSON.stringify(reply, undefined, 2));
  else if (reply.records.length === 0) terminal.err('nothing that you may see matches');
  else for (const line of tableOf(reply, terminal)) terminal.out(line);
  return EXIT.done;
}

function tableOf({ records, older }: z.infer<typeof foundReply>, terminal: Terminal): string[] {
  const names = ['time', 'who', 'target', 'kind', 'verdict', 'rows', 'text', 'record'];
  const lines = renderTable(
    names.map((name) => ({ name, numeric: name === 'rows' })),
    records.map(({ at, person, target, kind, verdicts, rows, body, id }) => [
      at.slice(0, 19).replace('T', ' '),
      person ?? null,
      target ?? null,
      kind,
      verdicts?.join(' ') ?? null,
      rows === undefined ? null : String(rows),
      typeof body?.text === 'string' ? body.text.replaceAll(/\s+/g, ' ').slice(0, 100) : null,
      id,
    ]),
    { width: undefined, head: (text) => terminal.paint('bold', text), none: () => '' },
  );
  return older === undefined ? lines : [...lines, '', `more: --cursor ${printable(older)}`];
}

const countsReply = z.object({
  total: z.number(),
  since: z.string().optional(),
  facets: z.record(z.string(), z.array(z.object({ value: z.string(), count: z.number() }))),
});

async function counted(api: Api, q: string, values: Values, terminal: Terminal): Promise<number> {
  const reply = await api.get(
    `/records/facets?${new URLSearchParams({ q }).toString()}`,
    countsReply,
  );
  if (values.json) {
    terminal.out(JSON.stringify(reply, undefined, 2));
    return EXIT.done;
  }
  terminal.out(
    `${reply.total} found${reply.since === undefined ? '' : ` since ${reply.since}; there is more`}`,
  );
  for (const name of FACETS)
    for (const { value, count } of reply.facets[name] ?? [])
      terminal.out(`${String(count).padStart(9)}  ${name}:${printable(value)}`);
  return EXIT.done;
}

async function exported(api: Api, q: string, values: Values, terminal: Terminal): Promise<number> {
  const format = values.export;
  if (format !== 'csv' && format !== 'ndjson')
    throw usageFailure('--export csv, or --export ndjson?');
  const proofs = values['with-proofs'] === true;
  const limit = integer(values.limit ?? '10000', 'limit', 1, 100_000);
  const query = new URLSearchParams({ q, format, proofs: String(proofs), limit: String(limit) });
  const { lines } = await api.lines(`/records/export?${query.toString()}`);
  if (values.out === undefined) {
    for await (const line of lines) terminal.out(line.replace(/\r$/, ''));
    return EXIT.done;
  }
  const file = createWriteStream(values.out, { mode: 0o600 });
  await once(file, 'open');
  for await (const line of lines) if (!file.write(`${line}\n`)) await once(file, 'drain');
  file.end();
  await once(file, 'close');
  return EXIT.done;
}

const viewReply = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string(),
  query: z.string(),
});
const viewsReply = z.object({ views: z.array(viewReply) });

/** With words it is kept; without, what was kept is searched. */
async function inView(
  api: Api,
  name: string,
  q: string,
  values: Values,
  terminal: Terminal,
): Promise<number> {
  const { views } = await api.get('/views', viewsReply);
  const view = views.find((one) => one.name === name);
  if (values.forget) {
    if (!view) throw usageFailure(`you keep no view ${printable(name)}`);
    await api.delete(`/views/${view.id}`, undefined, z.object({}));
    return EXIT.done;
  }
  if (q !== '') {
    const form = {
      name,
      query: q,
      groups: values.share ?? [],
      ...(values.channel !== undefined && { channel: values.channel }),
    };
    const kept = await api.post(view ? `/views/${view.id}` : '/views', form, viewReply);
    terminal.out(
      values.json ? JSON.stringify(kept, undefined, 2) : `kept: ${printable(kept.name)}`,
    );
    return EXIT.done;
  }
  if (!view)
    throw usageFailure(
      `you see no view ${printable(name)}`,
      views.length === 0
        ? 'none is kept yet'
        : `there are ${views.map((one) => printable(one.name)).join(', ')}`,
    );
  return run(api, view.query, values, terminal);
}

async function rebuild(path: string | undefined, terminal: Terminal): Promise<number> {
  const { config } = await openConfig(path);
  const records = await withStore(config, async (db) => {
    await forgetProjection(db);
    return searchLag(db);
  });
  terminal.out(
    `${records} records are projected anew by the gateway that runs, or by the next that starts`,
  );
  return EXIT.done;
}
