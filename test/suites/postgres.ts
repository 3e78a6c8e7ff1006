import { chown, cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, fetchSource, unpack } from './debian.ts';
import { BIN, type Server } from './server.ts';
import { must, pgEnv, type Results, run, type Suite, type Where } from './suite.ts';

let tree = '';
const at = (...path: readonly string[]): string => join(tree, 'src', ...path);

/** PostgreSQL's own sources, of the very version of the server, built as far as the suites need. */
async function prepare(): Promise<void> {
  const installed = await must('dpkg-query', ['-W', '-f', '${Version}', 'postgresql-15']);
  const release = installed.split('-')[0] ?? '';
  const archive = await fetchSource(
    `postgresql-15=${installed}`,
    new RegExp(`^postgresql-15_${release}\\.orig\\.tar`),
  );
  tree = await unpack(archive, new RegExp(`^postgresql-${release}$`));
  if (await exists(at('test/isolation/isolationtester'))) return;
  const flags = ['--without-readline', '--without-zlib', '--without-icu'];
  await must('./configure', flags, { cwd: tree });
  for (const folder of [
    'test/regress',
    'interfaces/libpq',
    'test/modules/libpq_pipeline',
    'test/isolation',
  ])
    await must('make', ['-j2', '-C', at(folder), 'all'], { cwd: tree });
}

/** Settings that pg_regress gives to a database that it makes itself. */
const settings = (database: string): string[] =>
  [
    "lc_messages to 'C'",
    "lc_monetary to 'C'",
    "lc_numeric to 'C'",
    "lc_time to 'C'",
    "bytea_output to 'hex'",
    "timezone_abbreviations to 'Default'",
  ].map((setting) => `alter database ${database} set ${setting}`);

async function outputFolder(server: Server, name: string): Promise<string> {
  const folder = join(server.dir, name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, 'testtablespace'), { recursive: true });
  await own(server, folder);
  await own(server, join(folder, 'testtablespace'));
  return folder;
}

async function own({ account }: Server, path: string): Promise<void> {
  if (account) await chown(path, account.uid, account.gid);
}

function regressSuite(from: {
  readonly name: string;
  readonly database: string;
  readonly folder: string;
  readonly program: string;
  readonly schedule: string;
}): Suite {
  return {
    name: from.name,
    databases: [from.database],
    prepare,
    async run(where) {
      const { server, way } = where;
      await server.sql('postgres', ...settings(from.database));
      const source = at(from.folder);
      const out = await outputFolder(server, `${from.database}-${way}`);
      await cp(join(source, 'data'), join(out, 'data'), { recursive: true }).catch(() => undefined);
      const { out: said } = await run(
        join(source, from.program),
        [
          '--use-existing',
          `--dbname=${from.database}`,
          '--host=127.0.0.1',
          `--port=${where.port}`,
          `--user=${where.user}`,
          `--bindir=${BIN}`,
          `--inputdir=${source}`,
          `--outputdir=${out}`,
          `--dlpath=${at('test/regress')}`,
          '--max-connections=20',
          `--schedule=${join(source, from.schedule)}`,
        ],
        { ...server.account, cwd: out, env: pgEnv(where, from.database) },
      );
      return regressResults(said);
    },
  };
}

/** Lines like `test boolean ... ok 123 ms` and, in a group, `     boolean ... FAILED 99 ms`. */
function regressResults(said: string): Results {
  const lines = said.matchAll(/^(?:test)?\s+(\S+)\s+\.\.\. (ok|FAILED)\b/gm);
  const results = new Map([...lines].map(([, name = '', word]) => [name, word === 'ok']));
  if (results.size === 0) throw new Error(`pg_regress said:\n${said.slice(-2_000)}`);
  return results;
}

export const regress = regressSuite({
  name: 'pg_regress',
  database: 'regression',
  folder: 'test/regress',
  program: 'pg_regress',
  schedule: 'parallel_schedule',
});

export const isolation = regressSuite({
  name: 'isolation',
  database: 'isolation_regression',
  folder: 'test/isolation',
  program: 'pg_isolation_regress',
  schedule: 'isolation_schedule',
});

export const pipeline: Suite = {
  name: 'libpq_pipeline',
  databases: ['pipeline'],
  prepare,
  async run(where: Where) {
    const program = at('test/modules/libpq_pipeline/libpq_pipeline');
    const env = { ...pgEnv(where, 'pipeline'), LD_LIBRARY_PATH: at('interfaces/libpq') };
    const names = (await must(program, ['tests'], { env })).trim().split('\n');
    const results = new Map<string, boolean>();
    for (const name of names) {
      const { code } = await run(program, [name, 'dbname=pipeline'], { env, timeout: 900_000 });
      results.set(name, code === 0);
    }
    return results;
  },
};
