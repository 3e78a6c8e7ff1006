import { access, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Config } from '#src/config/config.ts';
import { readPolicyFiles } from '#src/config/policies.ts';
import type { Trials } from '#gateway/postgres/trial.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { openConfig } from '../installation.ts';
import type { Terminal } from '../terminal.ts';
import { readCases } from './cases.ts';
import { namesOf } from './check.ts';
import { jsonOf, junitOf, printSummary, summarise } from './report.ts';
import { runFile, type FileResult, type Surroundings } from './runner.ts';
import { openSandbox, type Sandbox } from './sandbox.ts';

type Asked = {
  readonly config?: string;
  readonly dir?: string;
  readonly json?: boolean;
  readonly junit?: string;
};

/** Runs the cases beside the rules; resolves with the exit code. */
export async function test(values: Asked, terminal: Terminal): Promise<number> {
  const config = await configFor(values);
  const dir = values.dir === undefined ? config?.policies : resolve(values.dir);
  if (dir === undefined) throw usageFailure('which rules?', 'pass --dir FOLDER, or --config FILE');
  const found = await readCases(dir);
  if (found.length === 0)
    throw usageFailure(`there is no *.test.yaml in ${dir}`, 'docs/rules.md shows how one looks');
  const files = await readPolicyFiles(dir);
  const started = performance.now();
  await using opened = new AsyncDisposableStack();
  let sandbox: Promise<Sandbox> | undefined;
  const open = new Map<string, Trials>();
  const around: Surroundings = {
    dir,
    files,
    config,
    names: config && namesOf(config),
    sandbox: () => (sandbox ??= openSandbox().then((box) => opened.use(box))),
    async trials(target) {
      const key = JSON.stringify(target);
      const { Trials } = await import('#gateway/postgres/trial.ts');
      const known = open.get(key) ?? opened.use(new Trials(target));
      open.set(key, known);
      return known;
    },
  };
  const results: FileResult[] = [];
  for (const one of found) {
    terminal.status(`testing ${one.name}`);
    // oxlint-disable-next-line eslint/no-await-in-loop -- one file after the other
    results.push(await runFile(one, around));
  }
  terminal.status(undefined);
  const summary = summarise(results, performance.now() - started);
  if (values.junit !== undefined) await writeFile(values.junit, junitOf(summary));
  if (values.json) terminal.out(JSON.stringify(jsonOf(summary), undefined, 2));
  else printSummary(summary, terminal);
  return summary.failed > 0 ? EXIT.failed : EXIT.done;
}

/** With a folder of its own a test needs no configuration; the one that is there still says groups, channels and targets. */
async function configFor({ config, dir }: Asked): Promise<Config | undefined> {
  const optional = config === undefined && dir !== undefined;
  if (optional && !(await exists('countersign.yaml'))) return undefined;
  return (await openConfig(config)).config;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
