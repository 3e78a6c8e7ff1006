import { type Hold, type Holds, HoldRefused, openHolds } from '#src/audit/erasure/holds.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import { withLog } from '../store.ts';
import { renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { idOf, timeOf, WHO_OPTION, whoActs } from './eraser.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  ...WHO_OPTION,
  name: { type: 'string', value: 'NAME', about: 'hold: what it is called' },
  person: { type: 'string', value: 'EMAIL', about: 'hold: everything of this person' },
  session: { type: 'string', value: 'ID', about: 'hold: this session' },
  target: { type: 'string', value: 'NAME', about: 'hold: this target; * for any part of the name' },
  from: { type: 'string', value: 'TIME', about: 'hold: from this day or time on (UTC)' },
  to: { type: 'string', value: 'TIME', about: 'hold: before this day or time (UTC)' },
  reason: { type: 'string', value: 'TEXT', about: 'hold: why; it stays in the record' },
  all: { type: 'boolean', about: 'hold list: also those that were released' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const holdCommand: Command = {
  usage: [
    'audit hold add --name NAME [--person EMAIL] [--target NAME] [--session ID] [--from TIME] [--to TIME] --reason TEXT',
    'audit hold list [--all]',
    'audit hold release --name NAME --reason TEXT',
  ],
  about:
    'hold keeps records from being erased or dropped, by whomever and by whatever rule, until it is released. Both leave a\n' +
    'record, and ask for the token of a member of security; a hold on one’s own records is released by somebody else.',
  options: OPTIONS,
  run: hold,
};

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];

async function hold(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [action = '', ...more] = positionals;
  if (more.length > 0) throw usageFailure(`what is ${more.join(' ')}?`, 'see --help');
  if (!['add', 'list', 'release'].includes(action))
    throw usageFailure('which action?', 'it is add, list or release');
  const { config } = await openConfig(values.config);
  try {
    return await withLog(config, async (db, audit) => {
      const holds = openHolds(db, audit);
      if (action === 'list') return show(await holds.list(values.all), values, terminal);
      const by = await whoActs(config, { db, audit }, values['token-file']);
      if (action === 'add') return await add(holds, by, values, terminal);
      await holds.release(nameOf(values), values.reason ?? '', by);
      terminal.err(`released: what it kept may be erased again`);
      return EXIT.done;
    });
  } catch (error) {
    if (!(error instanceof HoldRefused)) throw error;
    throw new Failure(error.message, { exit: EXIT.refused, cause: error });
  }
}

function nameOf({ name }: Values): string {
  if (name === undefined) throw usageFailure('which hold?', 'pass --name NAME');
  return name;
}

async function add(holds: Holds, by: string, values: Values, terminal: Terminal): Promise<number> {
  const { person, target } = values;
  const session = idOf(values.session, 'session');
  const [from, to] = [timeOf(values.from, 'from'), timeOf(values.to, 'to')];
  const keeps = {
    ...(person !== undefined && { person }),
    ...(target !== undefined && { target }),
    ...(session !== undefined && { session }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
  const placed = await holds.place(nameOf(values), keeps, values.reason ?? '', by);
  return show([placed], values, terminal);
}

function show(holds: readonly Hold[], { json }: Values, terminal: Terminal): number {
  if (json) terminal.out(JSON.stringify(holds, undefined, 2));
  else if (holds.length === 0) terminal.out('no legal hold is in force');
  else
    for (const line of renderTable(
      ['name', 'keeps', 'since', 'released', 'reason'].map((name) => ({ name, numeric: false })),
      holds.map((one) => [
        one.name,
        Object.entries(one.keeps)
          .map(([what, value]) => `${what} ${value}`)
          .join(', '),
        one.placedAt.slice(0, 10),
        one.releasedAt?.slice(0, 10) ?? '',
        one.reason,
      ]),
      { width: terminal.width, head: (text) => terminal.paint('bold', text), none: (text) => text },
    ))
      terminal.out(line);
  return EXIT.done;
}
