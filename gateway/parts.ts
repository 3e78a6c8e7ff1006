import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '#src/config/config.ts';
import { canStepUp } from '#src/config/identity.ts';
import { readPolicyFiles } from '#src/config/policies.ts';
import type { CedarPolicy } from '#src/policy/evaluate.ts';
import { loadPolicy, type Catalogued, type KnownNames, type Problem } from '#src/policy/load.ts';
import { startStore } from '#src/store/embedded-store.ts';

/** Rules that do not load: every problem, none of the rules. */
export class PolicyProblems extends Error {
  override name = 'PolicyProblems';
  readonly problems: readonly Problem[];
  constructor(folder: string, problems: readonly Problem[]) {
    super(`the rules in ${folder} do not load:\n  ${problemLines(problems).join('\n  ')}`);
    this.problems = problems;
  }
}

/** `file:line: what is wrong (what to do)`, one for each problem. */
export function problemLines(problems: readonly Problem[]): string[] {
  return problems.map(
    (p) => `${p.file}${p.line === undefined ? '' : `:${p.line}`}: ${p.message} (${p.hint})`,
  );
}

/** What rules may name, beside the targets' columns. */
export function namesOf(config: Config): KnownNames {
  return {
    groups: config.groups,
    channels: config.chat.channels.keys(),
    targets: config.targets.keys(),
    environments: Array.from(config.targets.values(), ({ environment }) => environment),
    stepUp: canStepUp(config.identity),
  };
}

/** The rules of the configuration, checked against what the targets have that answered. Throws PolicyProblems. */
export async function readPolicy(
  config: Config,
  there: Partial<Catalogued> = {},
): Promise<CedarPolicy> {
  const files = await readPolicyFiles(config.policies);
  const loaded = loadPolicy(files, { ...namesOf(config), ...there });
  if (!loaded.ok) throw new PolicyProblems(config.policies, loaded.problems);
  return loaded.policy;
}

/** The store's URL. An embedded one is started first, on the port after the one for PostgreSQL clients. */
export async function openStore(
  config: Config,
  say: (text: string) => void,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const { postgres } = config.store;
  if (postgres !== 'embedded') return { url: postgres.url, stop: () => Promise.resolve() };
  const password = await ownPassword(config.dataDir);
  const store = await startStore({
    dir: config.dataDir,
    port: config.listen.postgres.port + 1,
    log: say,
    password,
  });
  return { url: store.url, stop: () => store.stop() };
}

async function ownPassword(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, 'store-password');
  const made = randomBytes(32).toString('base64url');
  await writeFile(path, made, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return await readFile(path, 'utf8');
}
