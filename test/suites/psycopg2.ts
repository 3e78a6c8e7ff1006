import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CACHE, exists } from './debian.ts';
import { must, pgEnv, run, type Suite } from './suite.ts';

const VERSION = '2.9.10';
const home = join(CACHE, 'psycopg2');
const source = join(home, `psycopg2-${VERSION}`);
const python = join(home, 'venv', 'bin', 'python');

/** psycopg 2's own tests, which PyPI's source package has (psycopg 3's are only in its repository). */
export const psycopg2: Suite = {
  name: 'psycopg2',
  databases: ['psycopg2_test'],
  namedAlike: true,
  async prepare() {
    if (await exists(join(home, 'ready'))) return;
    await mkdir(home, { recursive: true });
    await must('python3', ['-m', 'venv', join(home, 'venv')]);
    const pip = [python, '-m', 'pip', '--disable-pip-version-check'] as const;
    const [file, ...args] = pip;
    const fetched = ['download', '--no-deps', '--no-binary', ':all:', `psycopg2==${VERSION}`];
    await must(file, [...args, ...fetched], { cwd: home });
    const archive = (await readdir(home)).find((name) => name.endsWith('.tar.gz'));
    await must('tar', ['xf', archive ?? ''], { cwd: home });
    await must(file, [...args, 'install', source], { cwd: home });
    await mkdir(join(home, 'ready'));
  },
  async run(where) {
    const env = {
      ...pgEnv(where, 'psycopg2_test'),
      PSYCOPG2_TESTDB: 'psycopg2_test',
      PSYCOPG2_TESTDB_HOST: '127.0.0.1',
      PSYCOPG2_TESTDB_PORT: String(where.port),
      PSYCOPG2_TESTDB_USER: where.user,
      PSYCOPG2_TESTDB_PASSWORD: where.password,
    };
    const code =
      "import tests, unittest; unittest.main(module=tests, defaultTest='test_suite', verbosity=2)";
    const { out } = await run(python, ['-c', code], { env, cwd: source });
    if (process.env['DEBUG']) console.error(where.way, out.slice(-6_000));
    const lines = out.matchAll(/^(\w+) \(([\w.]+)\)(?:\n[^\n]*?)? \.\.\. (.*)$/gm);
    const results = new Map<string, boolean>();
    for (const [, test = '', name = '', word = ''] of lines)
      if (!word.startsWith('skipped'))
        results.set(name.includes(test) ? name : `${name}.${test}`, word.endsWith('ok'));
    if (results.size === 0) throw new Error(`psycopg2 said:\n${out.slice(-2_000)}`);
    return results;
  },
};
