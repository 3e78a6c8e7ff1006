import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { CACHE, exists, fetchSource, unpack } from './debian.ts';
import { must, pgEnv, run, type Suite } from './suite.ts';

/** What its tests require beside it, at the versions of its own package.json. */
const PACKAGES = [
  'pg-connection-string@2.9.1',
  'pg-pool@3.10.1',
  'pg-protocol@1.10.3',
  'pg-types@2.2.0',
  'pgpass@1.0.5',
  'async@2.6.4',
  'bluebird@3.7.2',
  'co@4.6.0',
  'pg-copy-streams@0.3.0',
];
const home = join(CACHE, 'node-postgres');
const pkg = join(home, 'packages', 'pg');

/** node-postgres' integration tests: npm's package is without them, Debian's source has them. */
export const nodePostgres: Suite = {
  name: 'node-postgres',
  databases: ['node_postgres'],
  namedAlike: true,
  others: ['template1'],
  async prepare() {
    if (await exists(join(home, 'node_modules', 'pg-pool'))) return;
    const archive = await fetchSource('node-postgres', /^node-postgres_8\.16.*\.orig\.tar/);
    const tree = await unpack(archive, /^node-postgres-pg-8/);
    await mkdir(join(home, 'packages'), { recursive: true });
    await cp(join(tree, 'packages', 'pg'), pkg, { recursive: true });
    await writeFile(join(home, 'package.json'), '{ "private": true }');
    await must('npm', ['install', '--no-save', '--no-audit', '--no-fund', ...PACKAGES], {
      cwd: home,
    });
  },
  async run(where) {
    const env = pgEnv(where, 'node_postgres');
    await must(process.execPath, [join(pkg, 'script', 'create-test-tables.js')], { env, cwd: pkg });
    const folder = join(pkg, 'test', 'integration');
    const files = (await readdir(folder, { recursive: true }))
      .filter((name) => name.endsWith('-tests.js'))
      .toSorted();
    const results = new Map<string, boolean>();
    for (const file of files) {
      const { code, out } = await run(process.execPath, [join(folder, file)], {
        env,
        cwd: pkg,
        timeout: 60_000,
      });
      results.set(relative('.', file), code === 0);
      if (code !== 0 && process.env['DEBUG'])
        console.error(`${where.way} ${file}\n${out.slice(-1_500)}`);
    }
    return results;
  },
};
