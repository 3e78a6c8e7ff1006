import {
  askErasure,
  confirmErasure,
  erase as eraseNow,
  planErasure,
  resumeErasures,
} from '#src/audit/erasure/erase.ts';
import type { Filter } from '#src/audit/erasure/filter.ts';
import type { EraseParts, Erased } from '#src/audit/erasure/job.ts';
import { personKey } from '#src/identity/people.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import { printable, type Terminal } from '../terminal.ts';
import { idOf, timeOf, WHO_OPTION, whoActs, withEraser } from './eraser.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  ...WHO_OPTION,
  person: {
    type: 'string',
    value: 'EMAIL',
    about: 'erase: everything that is kept of this person',
  },
  record: {
    type: 'string',
    value: 'ID',
    about: 'erase: this record, and what belongs to its statement',
  },
  session: { type: 'string', value: 'ID', about: 'erase, hold: the records of this session' },
  target: {
    type: 'string',
    value: 'NAME',
    about: 'erase, hold: records of this target; * for any part of the name',
  },
  before: {
    type: 'string',
    value: 'TIME',
    about: 'erase: records from before this day or time (UTC)',
  },
  reason: {
    type: 'string',
    value: 'TEXT',
    about: 'erase, hold: why; it stays in the record, so name nobody',
  },
  confirm: {
    type: 'string',
    value: 'ID',
    about: 'erase: carry out what another member of security has asked for',
  },
  'dry-run': { type: 'boolean', about: 'erase, retention: say what would go, and change nothing' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const eraseCommand: Command = {
  usage: [
    'audit erase --person EMAIL --reason TEXT [--dry-run]',
    'audit erase [--record ID] [--session ID] [--target NAME] [--before TIME] --reason TEXT [--dry-run]',
    'audit erase --confirm ID',
  ],
  about:
    'erase destroys what records say (salt and body), recordings, cards, what searching finds, and of a person also tokens,\n' +
    'sign-ins and the rest. The log still verifies, and a record says who erased what, and why. It runs as the owner of the\n' +
    'store, and asks for the token of a member of security. A legal hold stops it. docs/retention.md lists what holds what.',
  options: OPTIONS,
  run: erase,
};

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];

async function erase(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const confirm = idOf(values.confirm, 'confirm');
  const filter = filterOf(values);
  if (confirm !== undefined && Object.keys(filter).length > 0)
    throw usageFailure('--confirm stands alone: what goes was said when it was asked for');
  const { config } = await openConfig(values.config);
  return withEraser(config, async (parts, db) => {
    if (values['dry-run']) return plan(parts, filter, values, terminal);
    const by = await whoActs(config, { db, audit: parts.audit }, values['token-file']);
    const { reason = '' } = values;
    for (const left of await resumeErasures(parts))
      terminal.err(`finished what was under way: erasure ${left.erasure}`);
    if (confirm !== undefined)
      return show(await confirmErasure(parts, confirm, by), values, terminal);
    const asked = { filter, reason, by };
    const second = config.audit?.confirmErasure === true;
    return show(await (second ? askErasure : eraseNow)(parts, asked), values, terminal);
  });
}

function filterOf({ person, record, session, target, before }: Values): Filter {
  const others = [record, session, target, before].some((one) => one !== undefined);
  if (person !== undefined && others)
    throw usageFailure('--person stands alone: it takes in everything of theirs');
  if (person !== undefined && !/^[^\s@]+@[^\s@]+$/u.test(person))
    throw usageFailure(`${person} is not an e-mail address`);
  const [id, of, time] = [
    idOf(record, 'record'),
    idOf(session, 'session'),
    timeOf(before, 'before'),
  ];
  return {
    ...(person !== undefined && { person: personKey(person) }),
    ...(id !== undefined && { record: id }),
    ...(of !== undefined && { session: of }),
    ...(target !== undefined && { target }),
    ...(time !== undefined && { before: time }),
  };
}

async function plan(
  parts: EraseParts,
  filter: Filter,
  { json }: Values,
  terminal: Terminal,
): Promise<number> {
  const { records, kinds } = await planErasure(parts, { filter });
  if (json) terminal.out(JSON.stringify({ dryRun: true, records, kinds }, undefined, 2));
  else {
    terminal.out(`${records} records would lose what they say`);
    for (const [kind, count] of Object.entries(kinds)) terminal.out(`  ${kind}: ${count}`);
    if (filter.person !== undefined)
      terminal.out('and everything else that is kept of this person: see docs/retention.md');
  }
  return EXIT.done;
}

function show(done: Erased, { json }: Values, terminal: Terminal): number {
  if (done.state === 'stopped')
    throw new Failure(
      `stopped after ${done.records} records: a legal hold was placed: ${done.holds}`,
      {
        exit: EXIT.refused,
        hint: 'when it is released, ask again',
      },
    );
  if (json) terminal.out(JSON.stringify(done, undefined, 2));
  else if (done.state === 'asked')
    terminal.out(
      `asked for; another member of security carries it out: countersign audit erase --confirm ${done.erasure}`,
    );
  else {
    terminal.out(`${done.records} records erased (erasure ${done.erasure})`);
    for (const [what, count] of Object.entries(done.counts))
      terminal.out(`  ${printable(what)}: ${count}`);
    terminal.err('what was sent to a SIEM or is in backups is out of reach: docs/retention.md');
  }
  return EXIT.done;
}
