import { resolve } from 'node:path';
import type { Config } from '#src/config/config.ts';
import { canStepUp } from '#src/config/identity.ts';
import { readPolicyFiles } from '#src/config/policies.ts';
import { loadPolicy, type KnownNames, type PolicyFile, type Problem } from '#src/policy/load.ts';
import type { CatalogNames } from '#src/statement/sql/catalog.ts';
import type { CedarPolicy } from '#src/policy/evaluate.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { openConfig } from '../installation.ts';
import type { Terminal } from '../terminal.ts';

type Asked = {
  readonly config?: string;
  readonly dir?: string;
  readonly offline?: boolean;
  readonly json?: boolean;
};

/** Prints everything that is wrong with the rules; resolves with the exit code. */
export async function check(values: Asked, terminal: Terminal): Promise<number> {
  const { config } = await openConfig(values.config);
  const { dir, files } = await readRules(config, values.dir);
  const there = values.offline ? {} : await cataloguedIn(config, terminal);
  const loaded = loadPolicy(files, { ...namesOf(config), ...there });
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

/** The rules of this folder, or of the configured one. Rejects with `Failure`. */
export async function readRules(
  config: Config,
  given: string | undefined,
): Promise<{ readonly dir: string; readonly files: readonly PolicyFile[] }> {
  const dir = given === undefined ? config.policies : resolve(given);
  const files = await readPolicyFiles(dir).catch((error: unknown) => {
    throw usageFailure(error instanceof Error ? error.message : String(error));
  });
  return { dir, files };
}

/** The same, ready to be asked; tables and columns are not checked. Rejects with `Failure`. */
export async function loadRules(config: Config, given: string | undefined): Promise<CedarPolicy> {
  const { dir, files } = await readRules(config, given);
  const loaded = loadPolicy(files, namesOf(config));
  if (loaded.ok) return loaded.policy;
  const problems = loaded.problems.map((p) => `${p.file}:${p.line ?? 1}: ${p.message} (${p.hint})`);
  throw usageFailure(`the rules in ${dir} do not load`, problems.join('\n  '));
}

/** Of every target that answers; one that does not is said, and its tables are not checked. */
async function cataloguedIn(config: Config, terminal: Terminal): Promise<CatalogNames> {
  const { namesOfAll } = await import('#gateway/postgres/columns.ts');
  return namesOfAll(config.targets.values(), (target, error) => {
    const cause = error instanceof Error ? error.message : String(error);
    terminal.err(`${target} cannot be asked, so its tables are not checked: ${cause}`);
  });
}

/** What the rules may name, beside the targets' columns. */
export function namesOf(config: Config): KnownNames {
  return {
    groups: config.groups,
    channels: config.chat.channels.keys(),
    targets: config.targets.keys(),
    environments: Array.from(config.targets.values(), ({ environment }) => environment),
    stepUp: canStepUp(config.identity),
    owners: config.owners,
    ...(config.oncall && { onCall: config.oncall.keys() }),
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
