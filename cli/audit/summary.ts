import { z } from 'zod';
import { lengthOf } from '#src/audit/search/times.ts';
import { apisFor } from '../apis.ts';
import { parse, type Command, type Options } from '../command.ts';
import { IDENTITY_OPTIONS } from '../connection.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { printable, type Terminal } from '../terminal.ts';

const OPTIONS = {
  ...IDENTITY_OPTIONS,
  as: { type: 'string', value: 'WHO', about: "one of the demo's people (default: oncall)" },
  api: { type: 'string', value: 'URL', about: 'address of the API, ends in /api/v1' },
  last: {
    type: 'string',
    value: 'TIME',
    about: 'summary: how long back, such as 24h (default) or 7d',
  },
  target: { type: 'string', value: 'GLOB', about: 'summary: only these targets, such as prod-*' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const summaryCommand: Command = {
  usage: ['audit summary [--last 24h] [--target GLOB] [--json]'],
  about:
    'summary tells what happened: who did how much where, what was held, refused and approved, by whom and how fast, and\n' +
    'what is unusual for whoever did it. Each line of --json has the search that shows what it counts.',
  options: OPTIONS,
  run: summary,
};

const line = z.looseObject({ value: z.string(), count: z.number() });
const times = z.looseObject({ medianMs: z.number(), p90Ms: z.number() });
const reply = z.looseObject({
  from: z.string(),
  to: z.string(),
  behind: z.number(),
  statements: z.number(),
  targets: z.array(line),
  people: z.array(line),
  verdicts: z.array(line),
  held: z.looseObject({
    count: z.number(),
    decisions: z.array(line),
    times: times.optional(),
    approvers: z.array(line.extend({ ...times.shape, approved: z.number(), denied: z.number() })),
  }),
  refused: z.array(line),
  breakGlass: z.array(
    z.looseObject({
      person: z.string(),
      target: z.string(),
      role: z.string(),
      at: z.string(),
      count: z.number(),
      reviewedBy: z.string().optional(),
    }),
  ),
  unusual: z.array(
    z.looseObject({
      kind: z.string(),
      person: z.string(),
      target: z.string().optional(),
      table: z.string().optional(),
      count: z.number(),
      usual: z.number().optional(),
      at: z.string(),
    }),
  ),
});
type Reply = z.infer<typeof reply>;

async function summary(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const { last = '24h', target } = values;
  if (lengthOf(last) === undefined)
    throw usageFailure(`--last ${last} is not a time`, 'such as 24h or 7d');
  const { reader } = await apisFor(values, 'oncall');
  const query = new URLSearchParams({ from: last, ...(target !== undefined && { target }) });
  const found = await reader.get(`/summaries?${query.toString()}`, reply);
  if (values.json) terminal.out(JSON.stringify(found, undefined, 2));
  else
    for (const text of linesOf(found, (title) => terminal.paint('bold', title))) terminal.out(text);
  return EXIT.done;
}

const seconds = (ms: number): string =>
  ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;

const UNUSUAL: Readonly<Record<string, (one: Reply['unusual'][number]) => string>> = {
  'first-use': ({ table }) => `first use of ${table}`,
  'off-hours': ({ count }) => `${count} statements outside working hours`,
  statements: ({ count, usual }) => `${count} statements, usually ${usual}`,
  rows: ({ count, usual }) => `${count} rows, usually ${usual}`,
};

const counted = (rows: readonly z.infer<typeof line>[]): string[] =>
  rows.map(({ value, count }) => `${String(count).padStart(8)}  ${value}`);

function linesOf(found: Reply, bold: (text: string) => string): string[] {
  const { held, unusual } = found;
  const section = (title: string, rows: readonly string[]): string[] =>
    rows.length === 0 ? [] : ['', bold(title), ...rows.map((row) => `  ${printable(row)}`)];
  const fast = held.times
    ? `; decided in ${seconds(held.times.medianMs)} (median), ${seconds(held.times.p90Ms)} (p90)`
    : '';
  return [
    `${found.from} to ${found.to}: ${found.statements} statements`,
    ...(found.behind > 0 ? [`${found.behind} records are not counted yet`] : []),
    ...section('targets', counted(found.targets)),
    ...section('people', counted(found.people)),
    ...section('verdicts', counted(found.verdicts)),
    ...section(`held: ${held.count}${fast}`, counted(held.decisions)),
    ...section(
      'decided by',
      held.approvers.map(
        ({ value, approved, denied, medianMs }) =>
          `${value}: ${approved} approved, ${denied} denied, in ${seconds(medianMs)} (median)`,
      ),
    ),
    ...section('refused', counted(found.refused)),
    ...section(
      'break-glass',
      found.breakGlass.map(
        ({ at, person, role, target, count, reviewedBy }) =>
          `${at.slice(0, 16)} ${person}: ${role} on ${target}, ${count} statements, ${reviewedBy === undefined ? 'not reviewed' : `reviewed by ${reviewedBy}`}`,
      ),
    ),
    ...section(
      'unusual',
      unusual.map((one) => {
        const where = one.target === undefined ? '' : ` on ${one.target}`;
        return `${one.at.slice(0, 16)} ${one.person}${where}: ${UNUSUAL[one.kind]?.(one) ?? one.kind}`;
      }),
    ),
  ];
}
