import { resolve } from 'node:path';
import { readPolicyFiles } from '#src/config/policies.ts';
import type { Config } from '#src/config/config.ts';
import { canStepUp } from '#src/config/identity.ts';
import { loadPolicy, type KnownNames, type Problem } from '#src/policy/load.ts';
import { schemaText } from '#src/policy/schema.ts';
import { parse, type Command, type Options } from './command.ts';
import { EXIT, usageFailure } from './failure.ts';
import { CONFIG_OPTION, openConfig } from './installation.ts';
import type { Terminal } from './terminal.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  dir: {
    type: 'string',
    value: 'DIR',
    about: 'check: rules of this folder instead of the configured one',
  },
  offline: {
    type: 'boolean',
    about: 'check: without asking the targets for their tables and columns',
  },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const policyCommand: Command = {
  usage: ['policy check [--config FILE] [--dir DIR]', 'policy schema'],
  about:
    'check reads the rules as the gateway does and prints everything that is wrong with them, with file and line,\n' +
    'also tables and columns that the targets do not have; it exits 2 when something is wrong.\n' +
    'schema prints the Cedar schema, for editors.',
  options: OPTIONS,
  run: policy,
};

async function policy(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [action, ...more] = positionals;
  if (more.length > 0) throw usageFailure(`what is ${more.join(' ')}?`, 'see --help');
  if (action === 'check') return check(values, terminal);
  if (action !== 'schema')
    throw usageFailure(
      action === undefined ? 'which action?' : `unknown action ${action}`,
      'it is check or schema',
    );
  terminal.out(schemaText.trimEnd());
  return EXIT.done;
}

type Asked = { config?: string; dir?: string; offline?: boolean; json?: boolean };

async function check(values: Asked, terminal: Terminal): Promise<number> {
  const { config } = await openConfig(values.config);
  const dir = values.dir === undefined ? config.policies : resolve(values.dir);
  const files = await readPolicyFiles(dir).catch((error: unknown) => {
    throw usageFailure(error instanceof Error ? error.message : String(error));
  });
  const columns = values.offline ? [] : await columnsOf(config, terminal);
  const loaded = loadPolicy(files, { ...namesOf(config), columns });
  const problems = loaded.ok ? [] : loaded.problems;
  const warnings = loaded.ok ? loaded.warnings : [];
  if (values.json)
    terminal.out(JSON.stringify({ ok: loaded.ok, dir, problems, warnings }, undefined, 2));
  else {
    for (const problem of problems) print('error', problem, terminal);
    for (const warning of warnings) print('warning', warning, terminal);
    terminal.err(summary(dir, files.length, problems.length, warnings.length));
  }
  return loaded.ok ? EXIT.done : EXIT.usage;
}

/** Columns of every target that answers; one that does not is said, and its tables are not checked. */
async function columnsOf(config: Config, terminal: Terminal): Promise<string[]> {
  const { columnIds } = await import('#gateway/postgres/columns.ts');
  const known = [...config.targets.values()].map(async (target) => {
    try {
      return await columnIds(target);
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      terminal.err(`${target.name} cannot be asked, so its tables are not checked: ${cause}`);
      return [];
    }
  });
  return (await Promise.all(known)).flat();
}

/** What the rules may name, beside the targets' columns. */
export function namesOf(config: Config): KnownNames {
  return {
    groups: config.groups,
    channels: config.chat.channels.keys(),
    targets: config.targets.keys(),
    stepUp: canStepUp(config.identity),
  };
}

function print(kind: 'error' | 'warning', problem: Problem, terminal: Terminal): void {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  const rule = problem.id === undefined ? '' : `${problem.id}: `;
  const mark = terminal.paint(kind === 'error' ? 'red' : 'yellow', kind);
  terminal.out(`${place}: ${mark}: ${rule}${problem.message}`);
  terminal.out(`  ${problem.hint}`);
}

const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;

function summary(dir: string, files: number, problems: number, warnings: number): string {
  const also = warnings > 0 ? `, ${count(warnings, 'warning')}` : '';
  return problems > 0
    ? `${count(problems, 'problem')} in ${dir}`
    : `${count(files, 'file')} in ${dir}: no problems${also}`;
}
