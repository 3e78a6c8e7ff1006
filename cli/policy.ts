import { schemaText } from '#src/policy/schema.ts';
import { parse, type Command, type Options } from './command.ts';
import { EXIT, usageFailure } from './failure.ts';
import { CONFIG_OPTION } from './installation.ts';
import type { Terminal } from './terminal.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  dir: {
    type: 'string',
    value: 'DIR',
    about:
      'check, test, explain: rules of this folder instead of the configured one; init: where to',
  },
  json: { type: 'boolean', about: 'print JSON' },
  offline: {
    type: 'boolean',
    about: 'check: without asking the targets for their tables and columns',
  },
  junit: { type: 'string', value: 'FILE', about: 'test: write the results as JUnit XML, too' },
  reason: { type: 'string', value: 'TEXT', about: 'explain: with this reason' },
  purpose: { type: 'string', value: 'TEXT', about: 'explain: for this purpose' },
  at: {
    type: 'string',
    value: 'TIME',
    about: "explain: as of then: '2026-11-20 21:30', 'Fri 21:30' (the target's time zone)",
  },
  group: {
    type: 'string',
    value: 'GROUP',
    multiple: true,
    about: 'explain: as if the person were in this group, too',
  },
  role: {
    type: 'string',
    value: 'TARGET/ROLE',
    multiple: true,
    about: 'explain: as if a grant gave this role',
  },
  agent: { type: 'string', value: 'ID', about: 'explain: through this agent' },
  'in-transaction': { type: 'boolean', about: 'explain: inside an open transaction' },
  rows: { type: 'string', value: 'N', about: 'explain: as if an estimate said so many rows' },
  'search-path': {
    type: 'string',
    value: 'PATH',
    about: "explain: names are looked up along it (default: a new session's)",
  },
  with: { type: 'string', value: 'DIR', about: 'simulate: the rules to judge by' },
  since: {
    type: 'string',
    value: 'TIME',
    about: 'simulate: how far back, such as 24h (default 7d)',
  },
  target: {
    type: 'string',
    value: 'NAME',
    about: 'simulate: statements of this target only; init: its name',
  },
  limit: {
    type: 'string',
    value: 'N',
    about: 'simulate: list at most the newest N changes (default 100)',
  },
  groups: {
    type: 'string',
    value: 'then|now',
    about: 'simulate: with the groups that people had then (default), or have now',
  },
  pack: {
    type: 'string',
    value: 'NAME',
    multiple: true,
    about: 'init: copy this one of the starter rules; without it, the names are listed',
  },
} as const satisfies Options;

export const policyCommand: Command = {
  usage: [
    'policy check [--config FILE] [--dir DIR] [--offline] [--json]',
    'policy test [--dir DIR] [--junit FILE] [--json]',
    'policy explain TARGET[/DATABASE] PERSON SQL [--reason TEXT] [--at TIME] [--group GROUP] …',
    'policy simulate --with DIR [--since 7d] [--target NAME] [--groups then|now] [--limit N] [--json]',
    'policy init [--pack NAME]… [--target NAME] [--dir DIR]',
    'policy schema [--json]',
  ],
  about:
    'check reads the rules as the gateway does and prints everything that is wrong with them, with file and line,\n' +
    'also tables and columns that the targets do not have; it exits 2 when something is wrong.\n' +
    'test runs the cases of every *.test.yaml beside the rules, against tables that the file gives or a target has;\n' +
    'it exits 1 when one fails.\n' +
    'explain says what the rules make of a statement, and why: the target parses it, and nothing is run.\n' +
    'simulate judges what is in the log by other rules, and lists every verdict that would be another.\n' +
    'init copies rules of the starter pack, with their tests, into the rules of this configuration.\n' +
    'schema prints the Cedar schema, for editors and other tools.',
  options: OPTIONS,
  examples: [
    'countersign policy test --dir policies/starter',
    `countersign policy explain shop ann@example.com "update orders set status = 'x' where id = 1"`,
  ],
  run: policy,
};

async function policy(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [action, ...more] = positionals;
  if (action === undefined) throw usageFailure('which action?', KNOWN);
  if (action === 'explain')
    return (await import('./policy/explain.ts')).explain(more, values, terminal);
  if (more.length > 0) throw usageFailure(`what is ${more.join(' ')}?`, 'see --help');
  switch (action) {
    case 'check':
      return (await import('./policy/check.ts')).check(values, terminal);
    case 'test':
      return (await import('./policy/test.ts')).test(values, terminal);
    case 'simulate':
      return (await import('./policy/simulate.ts')).simulate(values, terminal);
    case 'init':
      return (await import('./policy/init.ts')).init(values, terminal);
    case 'schema':
      return schema(values.json === true, terminal);
    default:
      throw usageFailure(`unknown action ${action}`, KNOWN);
  }
}

/** As text, or as JSON for tools that read only that. */
async function schema(json: boolean, terminal: Terminal): Promise<number> {
  if (!json) {
    terminal.out(schemaText.trimEnd());
    return EXIT.done;
  }
  const { schemaToJson } = await import('@cedar-policy/cedar-wasm/nodejs');
  const answer = schemaToJson(schemaText);
  if (answer.type === 'failure')
    throw new Error(`Cedar cannot translate the schema: ${answer.errors[0]?.message}`);
  terminal.out(JSON.stringify(answer.json, undefined, 2));
  return EXIT.done;
}

const KNOWN = 'it is check, test, explain, simulate, init or schema';
