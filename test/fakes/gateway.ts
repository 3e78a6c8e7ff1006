import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { NoticeMessage } from 'pg-protocol/dist/messages.js';
import type { Failpoint } from '#src/audit/lane.ts';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import type { Config, SlackConfig, TargetConfig } from '#src/config/config.ts';
import { openLogger } from '#src/config/logger.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openDatabase } from '#src/store/database.ts';
import { serve, type Running } from '#gateway/main.ts';
import { withStepUp } from './away.ts';
import { freePort, startPostgres, type TestPostgres } from './postgres.ts';
import { startRedis, type TestRedis, usualQueue } from './redis.ts';
import { client, inDatabase, makeShop, sqlOn } from './shop.ts';

export type Who =
  | 'engineer'
  | 'approver'
  | 'approver2'
  | 'oncall'
  | 'security'
  | 'stranger'
  | (string & {});

const GROUPS: Readonly<Record<string, readonly string[]>> = {
  engineer: ['engineering'],
  approver: ['engineering', 'dba'],
  approver2: ['engineering', 'dba'],
  oncall: ['engineering', 'oncall'],
  security: ['engineering', 'security'],
  stranger: [],
};

export type TestGatewayOptions = {
  /** Cedar texts added to the demo's rules. */
  readonly rules?: string;
  /** In place of the demo's rules. */
  readonly onlyRules?: string;
  /** SQL run on the target as superuser after the small shop is made. */
  readonly schema?: string;
  /** Settings of the target's server. */
  readonly targetSettings?: Readonly<Record<string, string>>;
  readonly slack?: SlackConfig;
  /** A Redis is started for it. Default: PostgreSQL, or what `queueOnRedis()` asked for. */
  readonly queue?: 'postgres' | 'redis';
  readonly failpoint?: Failpoint;
  readonly config?: Partial<Config>;
  /** Made of the usual target. */
  readonly shop?: (usual: TargetConfig) => TargetConfig;
  readonly inTransactionMs?: number;
  /** How often the gateway looks whether what its rules name is still there. */
  readonly namesEveryMs?: number;
};

export type TestGateway = {
  readonly config: Config;
  readonly running: Running;
  readonly store: TestPostgres;
  readonly target: TestPostgres;
  /** With `queue: 'redis'`. */
  readonly redis?: TestRedis;
  /** Superuser's connection to the store's database and to `shop`, past the gateway. */
  readonly storeSql: pg.Client;
  readonly targetSql: pg.Client;
  /** What the gateway logged: JSON lines. */
  readonly logged: string[];
  token(who: Who, use?: 'connect' | 'decide'): Promise<string>;
  /** node-postgres through the gateway; ended by `stop()`. `notices` collects NOTICE messages. */
  open(who?: Who, extra?: pg.ClientConfig): Promise<pg.Client & { notices: NoticeMessage[] }>;
  /** Arguments and environment for a real psql. */
  psql(who: Who, sql: string, file: string, more?: readonly string[]): Promise<Ran>;
  api(who: Who, path: string, body?: unknown): Promise<{ status: number; body: any }>;
  /** Waits until a request is pending (and is none of `except`). */
  pending(except?: readonly string[]): Promise<any>;
  decide(decision: 'approve' | 'deny', who?: Who, reason?: string): Promise<any>;
  /** Statements that really reached the target, from its own log, without the gateway's own. */
  ranOnTarget(): Promise<string[]>;
  records(kind?: string): Promise<any[]>;
  /** Throws when the log's chain does not verify. */
  verify(): Promise<void>;
  /** Stops the gateway alone, and starts another process' worth of it on the same store. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};
export type Ran = { readonly code: number; readonly out: string; readonly err: string };

/** The whole product in this process, on two PostgreSQL servers of its own, with a small shop. */
export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-gateway-'));
  const [store, target, redis] = await Promise.all([
    startPostgres({ fsync: true }),
    startPostgres({
      settings: {
        log_statement: 'all',
        log_min_messages: 'warning',
        ...options.targetSettings,
      },
    }),
    (options.queue ?? usualQueue()) === 'redis' ? startRedis() : undefined,
  ]);
  await makeShop(target, options.schema);
  await sqlOn(store.url, 'create database countersign');
  const storeUrl = inDatabase(store.url, 'countersign');
  const policies = join(dir, 'policies');
  await writeRules(policies, options);
  const usual = await configure(dir, policies, storeUrl, target, options);
  const config: Config = redis ? { ...usual, queue: { backend: 'redis', url: redis.url } } : usual;

  const logged: string[] = [];
  const log = openLogger('trace', { write: (line: string) => void logged.push(line) });
  const start = () =>
    serve(config, {
      log,
      ...(options.failpoint && { failpoint: options.failpoint }),
      ...(options.namesEveryMs !== undefined && { namesEveryMs: options.namesEveryMs }),
    });
  let running = await start();
  const storeSql = await client(storeUrl);
  const targetSql = await client(inDatabase(target.url, 'shop'));
  const opened = new Set<pg.Client>();
  const tokens = new Map<string, string>();

  const gateway: TestGateway = {
    config,
    get running() {
      return running;
    },
    store,
    target,
    ...(redis && { redis }),
    storeSql,
    targetSql,
    logged,
    async token(who, use = 'connect') {
      const key = `${who} ${use}`;
      const known = tokens.get(key);
      if (known) return known;
      const scopes =
        use === 'connect' ? (['connect', 'read'] as const) : (['decide', 'read'] as const);
      const { token } = await running.tokens.issue(`${who}@example.com`, scopes, 'test', 3_600_000);
      tokens.set(key, token);
      return token;
    },
    async open(who = 'engineer', extra = {}) {
      const notices: NoticeMessage[] = [];
      const opening = new pg.Client({
        host: '127.0.0.1',
        port: running.postgres.port,
        user: `${who}@example.com`,
        password: await gateway.token(who),
        database: 'shop',
        ...extra,
      });
      opening.on('notice', (notice) => notices.push(notice));
      opening.on('error', () => undefined);
      await opening.connect();
      opened.add(opening);
      return Object.assign(opening, { notices });
    },
    async psql(who, sql, file, more = []) {
      const where = `host=127.0.0.1 port=${running.postgres.port} user=${who}@example.com dbname=shop`;
      const env = { PATH: process.env['PATH'] ?? '', PGPASSWORD: await gateway.token(who) };
      return run(file, ['-X', ...more, where, '-c', sql], env);
    },
    async api(who, path, body) {
      const response = await fetch(running.api + path, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${await gateway.token(who, 'decide')}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: await response.json() };
    },
    async pending(except = []) {
      return eventually('a pending request', async () => {
        const { rows } = await storeSql.query(
          `select id from countersign.request where state = 'pending' order by created_at desc`,
        );
        return rows.find((row) => !except.includes(row.id));
      });
    },
    async decide(decision, who = 'approver', reason = 'because') {
      const { id } = await gateway.pending();
      return gateway.api(who, `/requests/${id}/decision`, { decision, reason });
    },
    async ranOnTarget() {
      const text = await readFile(target.logFile, 'utf8');
      return statementsIn(text);
    },
    async records(kind) {
      const { rows } = await storeSql.query(
        'select *, body::jsonb as json from countersign.record_body where $1::text is null or kind = $1 order by at',
        [kind ?? null],
      );
      return rows;
    },
    async verify() {
      const db = openDatabase(storeUrl, { max: 2, onError: () => undefined });
      try {
        const verified = await verifyLog(db);
        if (!verified.ok) throw new Error(`the log does not verify: ${JSON.stringify(verified)}`);
      } finally {
        await db.close();
      }
    },
    async restart() {
      await running.stop();
      running = await start();
    },
    async stop() {
      await Promise.allSettled([...opened].map((open) => open.end()));
      await running.stop();
      await Promise.allSettled([storeSql.end(), targetSql.end()]);
      await Promise.allSettled([store.stop(), target.stop(), redis?.stop()]);
      await rm(dir, { recursive: true, force: true });
    },
  };
  return gateway;
}

/** Polls until `look` gives a value; at most 10 s, or as long as is said. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  seconds = 10,
): Promise<T> {
  const until = Date.now() + seconds * 1_000;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > until) throw new Error(`${what} did not come in ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** `SQLSTATE message` of what a query rejects with, or the result. */
export async function outcome(query: Promise<unknown>): Promise<any> {
  try {
    return await query;
  } catch (error) {
    return error;
  }
}

async function writeRules(folder: string, options: TestGatewayOptions): Promise<void> {
  const { mkdir, writeFile } = await import('node:fs/promises');
  const demo = new URL('../../cli/demo/shop.cedar', import.meta.url);
  await mkdir(folder);
  await writeFile(join(folder, 'shop.cedar'), options.onlyRules ?? (await readFile(demo, 'utf8')));
  if (options.rules) await writeFile(join(folder, 'more.cedar'), options.rules);
}

async function configure(
  dir: string,
  policies: string,
  storeUrl: string,
  target: TestPostgres,
  options: TestGatewayOptions,
): Promise<Config> {
  const people = Object.entries(GROUPS).map(
    ([who, groups]) => [`${who}@example.com`, { name: who, groups }] as const,
  );
  const [console, postgres] = [await freePort(), await freePort()];
  const shop: TargetConfig = {
    name: 'shop',
    protocol: 'postgres',
    environment: 'production',
    timeZone: 'UTC',
    host: target.host,
    port: target.port,
    user: 'gateway',
    password: () => Promise.resolve('gateway'),
    database: 'shop',
    analyser: { user: 'analyser', password: () => Promise.resolve('analyser') },
    tls: { mode: 'disable' },
    hold: { inTransactionMs: options.inTransactionMs ?? 300_000, resendMs: 900_000 },
    record: { rows: 1000, bytes: 1_048_576 },
  };
  return {
    name: 'test',
    listen: {
      console: { host: '127.0.0.1', port: console },
      postgres: { host: '127.0.0.1', port: postgres },
    },
    publicUrl: `http://127.0.0.1:${console}`,
    store: { postgres: { url: storeUrl } },
    queue: { backend: 'postgres' },
    policies,
    dataDir: dir,
    targets: new Map([['shop', options.shop?.(shop) ?? shop]]),
    people: new Map(people),
    chat: {
      channels: new Map([['db-approvals', { slack: 'C0123456' }]]),
      ...(options.slack && { slack: options.slack }),
    },
    log: { level: 'debug' },
    groups: ['engineering', 'dba', 'oncall', 'security'],
    notices: [],
    ...options.config,
    identity: withStepUp(options.config?.identity ?? NO_PROVIDERS),
  };
}

function statementsIn(log: string): string[] {
  const found: string[] = [];
  for (const entry of log.split(/^(?=\d{4}-\d\d-\d\d )/m)) {
    const text = /LOG: {2}(?:statement: |execute [^:]*: )([\s\S]*)$/.exec(entry)?.[1]?.trim();
    const own = ["current_setting('countersign.reason'", '/* countersign estimate */'];
    if (text !== undefined && !own.some((mark) => text.includes(mark))) found.push(text);
  }
  return found;
}

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(file, args, { env, timeout: 30_000 }, (error, out, err) => {
      const code = error && typeof error.code === 'number' ? error.code : error ? -1 : 0;
      resolve({ code, out, err });
    });
  });
}
