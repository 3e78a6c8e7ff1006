import { z } from 'zod';
import { parseDuration } from '#src/policy/duration.ts';
import { apisFor } from './apis.ts';
import { parse, type Command, type Options } from './command.ts';
import { IDENTITY_OPTIONS } from './connection.ts';
import { EXIT, usageFailure } from './failure.ts';
import type { Terminal } from './terminal.ts';

const OPTIONS = {
  ...IDENTITY_OPTIONS,
  as: { type: 'string', value: 'WHO', about: "one of the demo's people (default: approver)" },
  api: { type: 'string', value: 'URL', about: 'address of the API, ends in /api/v1' },
  for: { type: 'string', value: 'PERSON', about: 'the colleague who decides in your place' },
  from: { type: 'string', value: 'WHEN', about: 'ISO 8601, or from now on as 2h (default: now)' },
  until: { type: 'string', value: 'WHEN', about: 'ISO 8601, or from now on as 5d' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const awayCommand: Command = {
  usage: ['away', 'away --until WHEN --for PERSON [--from WHEN]', 'away end ID'],
  about:
    'Says that you are away, and which colleague of your groups decides in your place meanwhile.\n' +
    'Alone it lists when you are away, and whom you stand in for.',
  options: OPTIONS,
  examples: [
    'countersign away --until 5d --for ben@example.com',
    'countersign away --from 2026-12-21T08:00:00+01:00 --until 2027-01-04T08:00:00+01:00 --for ben@example.com',
  ],
  run: away,
};

const absence = z.object({
  id: z.string(),
  person: z.string(),
  substitute: z.string(),
  from: z.string(),
  until: z.string(),
});
type Absence = z.infer<typeof absence>;

const line = ({ id, person, substitute, from, until }: Absence): string =>
  `${id}  ${substitute} stands in for ${person} from ${from} until ${until}`;

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];
type Apis = Awaited<ReturnType<typeof apisFor>>;
/** For scripts, and for people. */
type Said = { readonly value: unknown; readonly lines: readonly string[] };

async function away(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [action, id, ...more] = positionals;
  if (more.length > 0 || (action !== undefined && action !== 'end'))
    throw usageFailure(`unknown: ${positionals.join(' ')}`, 'see countersign away --help');
  const apis = await apisFor(values, 'approver');
  const { value, lines } =
    action === 'end'
      ? await end(apis, id)
      : values.for === undefined && values.until === undefined
        ? await list(apis)
        : await add(apis, values);
  if (values.json) terminal.out(JSON.stringify(value, undefined, 2));
  else for (const one of lines) terminal.out(one);
  return EXIT.done;
}

async function list({ reader }: Apis): Promise<Said> {
  const value = await reader.get('/absences', z.object({ absences: z.array(absence) }));
  const lines = value.absences.map(line);
  return { value, lines: lines.length > 0 ? lines : ['nobody is away'] };
}

async function end({ decider }: Apis, id: string | undefined): Promise<Said> {
  if (id === undefined) throw usageFailure('which absence?', 'countersign away end ID');
  const path = `/absences/${encodeURIComponent(id)}`;
  const value = await decider.delete(path, undefined, z.object({ ended: z.literal(true) }));
  return { value, lines: ['it has ended: nobody stands in any more'] };
}

async function add({ decider }: Apis, { for: substitute, until, from }: Values): Promise<Said> {
  if (substitute === undefined || until === undefined)
    throw usageFailure('until when, and who decides?', 'away --until WHEN --for PERSON');
  const body = {
    substitute,
    until: momentOf(until, 'until'),
    ...(from !== undefined && { from: momentOf(from, 'from') }),
  };
  const value = await decider.post('/absences', body, absence);
  return { value, lines: [line(value)] };
}

/** ISO 8601 of a time, or of so long from now. */
function momentOf(text: string, name: string): string {
  const ms = parseDuration(text);
  const at = ms === undefined ? Date.parse(text) : Date.now() + ms;
  if (Number.isNaN(at))
    throw usageFailure(`--${name} ${text} is not a time`, 'write 2026-12-21T08:00:00Z, or 5d');
  return new Date(at).toISOString();
}
