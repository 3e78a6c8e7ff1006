import { createHmac } from 'node:crypto';
import type { Logger } from 'pino';
import { startBot } from '#bot/main.ts';
import { openQueue } from '#src/approval/bullmq.ts';
import { openRequests } from '#src/approval/requests.ts';
import { consoleOfHolder } from '#src/approval/rows.ts';
import { CHANNEL } from '#src/approval/wake.ts';
import { openRecords } from '#src/audit/records.ts';
import { recover, recoverLapsed } from '#src/audit/recovery.ts';
import type { Failpoint } from '#src/audit/lane.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import type { Config, TargetConfig } from '#src/config/config.ts';
import { watchConfig } from '#src/config/folders.ts';
import { liveRoles } from '#src/identity/grants.ts';
import { personKey } from '#src/identity/people.ts';
import type { Person } from '#src/identity/person.ts';
import type { Tokens } from '#src/identity/token.ts';
import { openTokens } from '#src/identity/tokens.ts';
import { openDatabase } from '#src/store/database.ts';
import { checkDurability } from '#src/store/durability.ts';
import { openLease } from '#src/store/lease.ts';
import { migrate } from '#src/store/migrate.ts';
import { openNotices } from '#src/store/notices.ts';
import { installationSecret } from '#src/store/secrets.ts';
import { listenHttp } from './api/listener.ts';
import { Holds, mayReveal } from './gate/holds.ts';
import type { FailureIds } from './gate/asked.ts';
import { openStore, readPolicy } from './parts.ts';
import { Analysers } from './postgres/analysers.ts';
import { Cancels } from './postgres/cancel.ts';
import { listenPostgres } from './postgres/listener.ts';
import type { SessionDeps } from './postgres/deps.ts';
import { columnsOf } from './postgres/columns.ts';
import { Sessions } from './postgres/session.ts';
import { readiness } from './ready.ts';
import { Reload, type RulesState } from './reload.ts';
import { subjects } from './subjects.ts';
import { openTelemetry, outboxPending } from './telemetry.ts';
import { watchTls } from './tls.ts';

export type Running = {
  readonly console: string;
  /** Ends in `/api/v1`. */
  readonly api: string;
  readonly postgres: { readonly host: string; readonly port: number };
  readonly tokens: Tokens;
  /** Another process has taken this gateway's name: everything is refused from then on, and this one should stop. */
  readonly lost: Promise<Error>;
  /** Reads configuration and rules again, now. Never rejects: what does not load changes nothing, and `rules` says so. */
  reload(): Promise<void>;
  rules(): RulesState;
  /** Refuses new sessions, withdraws holds, lets what runs end, then closes everything; 8 s at most. */
  stop(): Promise<void>;
};

const CANCEL = 'countersign_cancel';
const DRAIN_MS = 5_000;
const SWEEP_MS = 5_000;

export type ServeOptions = {
  readonly log: Logger;
  /** The process that held this gateway's name before is known to be dead: its lease is not waited for. */
  readonly takeOver?: boolean;
  /** How long a lease holds without renewal, and how long after its end others wait before they put things right. */
  readonly lease?: { readonly ttlMs: number; readonly graceMs: number };
  /** For fault tests. */
  readonly failpoint?: Failpoint;
};

/** Starts gateway, console and bot in this process. Rejects with the first thing that is wrong, and leaves nothing running. */
export async function serve(
  config: Config,
  { log, failpoint, takeOver = config.store.postgres === 'embedded', lease: times }: ServeOptions,
): Promise<Running> {
  await using opened = new AsyncDisposableStack();
  const telemetry = await openTelemetry(config, (err) => log.warn({ err }, 'a part of it is lost'));
  const { metrics, tracing } = telemetry;
  opened.defer(() => tracing?.close());
  const onError = (error: unknown, ids: FailureIds = {}): void => {
    metrics.failed();
    log.error({ err: error, ...ids }, 'a part of the gateway failed');
  };
  const lost = Promise.withResolvers<Error>();
  lost.promise.then(onError, onError);
  const policy = await readPolicy(config);
  const tls = opened.adopt(await watchTls(config, { log }), (watched) => watched.close());

  const store = opened.adopt(await openStore(config, (text) => log.info(text)), (s) => s.stop());
  const db = opened.adopt(openDatabase(store.url, { max: 20, onError }), (d) => d.close());
  await checkDurability(db);
  await migrate(db);
  const lease = opened.adopt(
    await openLease(db, {
      name: config.name,
      console: config.publicUrl,
      takeOver,
      ...(times && { ttlMs: times.ttlMs }),
      onLost: lost.resolve,
    }),
    (held) => held.release(),
  );
  const { gateway, epoch } = lease;
  const held = (): boolean => lease.held();
  const audit = opened.adopt(
    await openAuditLog({
      db,
      writer: gateway,
      epoch,
      held,
      onError,
      onWritten: (records, waited) => metrics.appended(records, waited),
      ...(failpoint && { failpoint }),
    }),
    (open) => open.close(),
  );
  const recovered = await recover({ db, audit, gateway, epoch });
  log.info({ gateway, epoch, ...recovered }, 'the log is open');
  const start = { version: policy.version, cause: 'start', gateway, epoch };
  await audit.append({ kind: 'policy', body: start });

  const reload: Reload = new Reload({
    config,
    policy,
    audit,
    log,
    columns: (now) =>
      columnsOf(now.targets.values(), (target, err) =>
        log.warn(
          { target, err },
          'cannot be asked, so its tables and columns in rules are not checked',
        ),
      ),
    record: { gateway, epoch },
    changed: () => {
      const people = new Set([...reload.config.people.keys()].map(personKey));
      sessions.revoke(({ person, target }) => {
        if (!people.has(personKey(person))) return 'this person is no longer known here';
        return reload.config.targets.has(target.name) ? undefined : 'this target was taken out';
      });
      holds.rulesChanged();
      analysers.closeUnused(inUse).catch(onError);
    },
  });
  const { directory } = reload;
  const tokens = await openTokens(db, audit);
  const queue = opened.adopt(openQueue(config.queue, store.url, log), (q) => q.close());
  const notices = opened.adopt(await openNotices(db, [CHANNEL, CANCEL], onError), (open) =>
    open.close(),
  );
  const requests = opened.adopt(
    openRequests({
      db,
      notices,
      audit,
      queue,
      lease,
      directory,
      onError,
      ...(tracing && { tracing }),
    }),
    (open) => open.close(),
  );
  const sweep = setInterval(() => {
    recoverLapsed({ db, audit, gateway, ...(times && { graceMs: times.graceMs }) }).catch(onError);
  }, SWEEP_MS);
  opened.defer(() => clearInterval(sweep));
  const bot = opened.adopt(
    await startBot({
      config: {
        publicUrl: config.publicUrl,
        get chat() {
          return reload.config.chat;
        },
        get targets() {
          return reload.config.targets;
        },
      },
      requests,
      directory,
      db,
      queue,
      log,
      ...(tracing && { tracing }),
    }),
    (open) => open.close(),
  );

  const analysers = opened.adopt(new Analysers(onError), (open) => open.close());
  const inUse = (target: TargetConfig): boolean =>
    reload.config.targets.get(target.name) === target || sessions.uses(target);
  const secret = await installationSecret(db.pool, 'console');
  const holds = new Holds();
  const cancels = new Cancels({
    key: await installationSecret(db.pool, 'cancel'),
    tell: (mark) => void notices.send(CANCEL, mark).catch(onError),
  });
  notices.on(CANCEL, (mark) => void (mark && cancels.heard(mark).catch(onError)));
  const subject = subjects(
    (email) => directory.find(email),
    (email) => liveRoles(db, email),
  );
  const deps: SessionDeps = {
    audit,
    requests,
    policy: () => reload.policy,
    subject,
    holds,
    publicUrl: config.publicUrl,
    onFailure: onError,
    log,
    telemetry,
    get targets() {
      return reload.config.targets;
    },
    generation: () => reload.generation,
    analyser: (target, database) => analysers.of(target, database),
    db,
    gateway: { gateway, epoch },
    cancels,
    maskKey: createHmac('sha256', secret).update('mask').digest(),
  };
  const sessions = new Sessions(deps);
  metrics.watch({
    targets: () => reload.config.targets.keys(),
    outboxPending: () => outboxPending(db),
    policyVersion: () => reload.policy.version,
    policyLoadFailures: () => reload.state().failures,
  });
  const ready = readiness({
    held,
    store: () => db.pool.query('select 1'),
    queue: () => queue.ping(),
    get targets() {
      return [...reload.config.targets.values()].map(
        (target) => () => analysers.of(target, target.database).ready(),
      );
    },
    chat: () => bot.problem(),
    rulesFail: () => reload.state().problems.length > 0,
  });
  const http = opened.adopt(
    await listenHttp({
      address: config.listen.console,
      tls: config.tls?.console ? tls.use : undefined,
      log,
      requests,
      records: openRecords(db),
      tokens,
      directory,
      audit,
      publicUrl: config.publicUrl,
      secret,
      changes: {
        on: (listener) => requests.watch((id) => id !== undefined && listener(id)),
      },
      review: async (id: string, person: Person) => {
        const reader = await subject(person.email);
        const review = holds.review(
          id,
          (asked) => reader !== undefined && mayReveal(reload.policy, reader, asked),
        );
        if (review.kind !== 'elsewhere') return review;
        const there = await consoleOfHolder(db.pool, id, config.publicUrl);
        return { ...review, ...(there !== undefined && { at: `${there}/requests/${id}` }) };
      },
      ready,
      rules: () => reload.state(),
      metrics,
    }),
    (open) => open.close(),
  );
  const listener = opened.adopt(
    await listenPostgres({
      address: config.listen.postgres,
      tls: tls.use && { ...config.tls, use: tls.use },
      tokens,
      directory,
      cancels,
      log,
      serve: (client) => sessions.serve(client),
    }),
    (open) => open.close(),
  );
  opened.defer(() => sessions.stop(DRAIN_MS));
  const watched = watchConfig(config, () => void reload.reload('file'));
  opened.defer(async () => {
    watched.close();
    await reload.close();
  });
  // What was written while the gateway started.
  void reload.reload('file');
  const parts = opened.move();
  return {
    console: http.url,
    api: `${http.url}/api/v1`,
    postgres: { host: config.listen.postgres.host, port: listener.port },
    tokens,
    lost: lost.promise,
    reload: () => reload.reload('signal'),
    rules: () => reload.state(),
    stop: () => parts.disposeAsync(),
  };
}
