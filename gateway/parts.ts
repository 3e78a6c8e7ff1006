import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '#src/config/config.ts';
import { canStepUp } from '#src/config/identity.ts';
import { readPolicyFiles } from '#src/config/policies.ts';
import type { CedarPolicy } from '#src/policy/evaluate.ts';
import { loadPolicy, type Catalogued, type KnownNames, type Problem } from '#src/policy/load.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { startStore } from '#src/store/embedded-store.ts';
import { migrate } from '#src/store/migrate.ts';
import { grantRights } from '#src/store/rights.ts';

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
    owners: config.owners,
    ...(config.oncall && { onCall: config.oncall.keys() }),
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

export type OpenStore = {
  /** As the role that the gateway runs as. */
  readonly url: string;
  /** As the owner of the tables, where that is another role. */
  readonly ownerUrl?: string;
  stop(): Promise<void>;
};

/** Where the store is. An embedded one is started first, on the port after the one for PostgreSQL clients. */
export async function openStore(config: Config, say: (text: string) => void): Promise<OpenStore> {
  const { postgres } = config.store;
  if (postgres !== 'embedded') return { ...postgres, stop: () => Promise.resolve() };
  const password = await ownPassword(config.dataDir);
  const store = await startStore({
    dir: config.dataDir,
    port: config.listen.postgres.port + 1,
    log: say,
    password,
  });
  return { url: store.url, ownerUrl: store.ownerUrl, stop: () => store.stop() };
}

/** Brings the store to this program's schema: as its owner, who then gives the gateway's role its rights, where they are two. */
export async function migrateStore(
  { url, ownerUrl }: Pick<OpenStore, 'url' | 'ownerUrl'>,
  db: Database,
): Promise<void> {
  if (ownerUrl === undefined) return migrate(db);
  const owner = openDatabase(ownerUrl, { max: 1, onError: () => undefined });
  try {
    await migrate(owner);
    await grantRights(owner, decodeURIComponent(new URL(url).username));
  } finally {
    await owner.close();
  }
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
