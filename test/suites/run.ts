import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { gatewayTo } from './gateway.ts';
import { logTools } from './log.ts';
import { isolation, pipeline, regress } from './postgres.ts';
import { nodePostgres } from './node-postgres.ts';
import { psycopg2 } from './psycopg2.ts';
import { startServer, type Server } from './server.ts';
import type { Results, Suite, Where } from './suite.ts';

const SUITES: readonly Suite[] = [regress, isolation, pipeline, nodePostgres, psycopg2];

const FILE = new URL('results.md', import.meta.url);
const PERSON = 'approver@example.com';

type Way = { readonly results: Results; readonly seconds: number };
type Row = { readonly suite: string; readonly cells: readonly string[] };

/** Other people's suites, direct and through the gateway with an allow-all rule. Exit code 1 when a result differs. */
async function main(names: readonly string[]): Promise<void> {
  const chosen = SUITES.filter(({ name }) => names.length === 0 || names.includes(name));
  if (chosen.length === 0) throw new Error(`there is: ${SUITES.map((one) => one.name).join(', ')}`);
  const rows: Row[] = [];
  for (const suite of chosen) {
    const row = await compare(suite).catch((error: unknown) => {
      process.exitCode = 1;
      return { suite: suite.name, cells: ['not run', '', reasonOf(error), ''] };
    });
    rows.push(row);
    console.log(`${row.suite}: ${row.cells.join(' | ')}`);
  }
  await writeFile(FILE, table(await withKnown(rows)));
}

async function compare(suite: Suite): Promise<Row> {
  await suite.prepare();
  const server = await startServer();
  const role = suite.namedAlike === true ? PERSON : server.superuser;
  try {
    if (role === PERSON) await server.sql('postgres', `create role "${PERSON}" superuser login`);
    const direct = await inOrder(server, suite, {
      way: 'direct',
      port: server.port,
      user: role,
      password: '',
      server,
    });
    const gateway = await throughGateway(server, suite, role);
    const differs = differences(direct.results, gateway.results);
    if (differs.length > 0) process.exitCode = 1;
    return {
      suite: suite.name,
      cells: [
        count(direct),
        count(gateway),
        differs.length === 0 ? 'none' : differs.join(', '),
        `${direct.seconds} s / ${gateway.seconds} s`,
      ],
    };
  } finally {
    await server.stop();
  }
}

async function throughGateway(server: Server, suite: Suite, role: string): Promise<Way> {
  const databases = [...suite.databases, ...(suite.others ?? [])];
  const gateway = await gatewayTo(server, role, databases);
  try {
    const way = await inOrder(server, suite, {
      way: 'gateway',
      port: gateway.running.postgres.port,
      user: PERSON,
      password: await gateway.token('approver'),
      server,
    });
    return way;
  } finally {
    await gateway.stop();
  }
}

async function inOrder(server: Server, suite: Suite, where: Where): Promise<Way> {
  const roles = `do $$ declare r name; begin
    for r in select rolname from pg_roles where rolname like 'regress%' loop execute format('drop role %I', r); end loop; end $$`;
  for (const database of suite.databases)
    await server.sql(
      'postgres',
      `drop database if exists ${database} with (force)`,
      `create database ${database} template template0`,
    );
  await server.sql('postgres', roles);
  const begun = Date.now();
  const results = await suite.run(where);
  return { results, seconds: Math.round((Date.now() - begun) / 1_000) };
}

function differences(direct: Results, gateway: Results): string[] {
  const names = new Set([...direct.keys(), ...gateway.keys()]);
  return [...names].filter((name) => direct.get(name) !== gateway.get(name)).toSorted();
}

function count({ results }: Way): string {
  const passed = [...results.values()].filter(Boolean).length;
  return `${passed}/${results.size}`;
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Rows of suites that were not run now stay as they are. */
async function withKnown(rows: readonly Row[]): Promise<readonly Row[]> {
  const text = await readFile(FILE, 'utf8').catch(() => '');
  const known = new Map(rows.map((row) => [row.suite, row]));
  for (const { name } of SUITES) {
    // A formatter may have aligned them.
    const lines = text.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
    const cells = lines.find((line) => line[1] === name)?.slice(2, -1);
    if (cells && !known.has(name)) known.set(name, { suite: name, cells });
  }
  return SUITES.flatMap(({ name }) => known.get(name) ?? []);
}

function table(rows: readonly Row[]): string {
  return [
    '# Other people’s suites, direct and through the gateway',
    '',
    'Written by `npm run suites`. The gateway runs with one rule that allows everything; see docs/wire.md.',
    '',
    '| suite | direct | gateway | differs | took |',
    '|---|---|---|---|---|',
    ...rows.map(({ suite, cells }) => `| ${suite} | ${cells.join(' | ')} |`),
    '',
  ].join('\n');
}

// The store insists on fsync; here nothing has to last, and the suites bring deadlines of their own.
if (existsSync('/dev/shm')) process.env['TMPDIR'] = '/dev/shm';
const names = process.argv.slice(2);
if (names.length === 0 || names.includes('log')) await logTools();
const suites = names.filter((name) => name !== 'log');
if (suites.length > 0 || names.length === 0) await main(suites);
