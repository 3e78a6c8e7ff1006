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
import { liveRoles } from '#src/identity/grants.ts';
import { directoryOf } from '#src/identity/people.ts';
import type { Person, Subject } from '#src/identity/person.ts';
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
import { openStore, readPolicy } from './parts.ts';
import { openAnalyser, type Analyser } from './postgres/analyser.ts';
import { Cancels } from './postgres/cancel.ts';
import { listenPostgres } from './postgres/listener.ts';
import type { SessionDeps } from './postgres/deps.ts';
import { Sessions } from './postgres/session.ts';
import { watchTls } from './tls.ts';

import { readiness } from './ready.ts';
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
  /** Refuses new sessions, withdraws holds, lets what runs end, then closes everything; 8 s at most. */
  stop(): Promise<void>;
};

const CANCEL = 'countersign_cancel';
const DRAIN_MS = 5_000;
const SWEEP_MS = 5_000;
const GRANTS_MS = 1_000;

export type ServeOptions = {
  readonly log: Logger;
  /** The process that held this gateway's name before is known to be dead: its lease is not waited for. */
  readonly takeOver?: boolean;
  /** For fault tests. */
  readonly failpoint?: Failpoint;
};

/** Starts gateway, console and bot in this process. Rejects with the first thing that is wrong, and leaves nothing running. */
export async function serve(
  config: Config,
  { log, failpoint, takeOver = config.store.postgres === 'embedded' }: ServeOptions,
): Promise<Running> {
  const onError = (error: unknown): void =>
    log.error({ err: error }, 'a part of the gateway failed');
  await using opened = new AsyncDisposableStack();
  const lost = Promise.withResolvers<Error>();
  const telemetry = await openTelemetry(config, (err) => log.warn({ err }, 'a part of it is lost'));
  const { metrics, tracing } = telemetry;
  opened.defer(() => tracing?.close());
  const onError = (error: unknown, ids: FailureIds = {}): void => {
    metrics.failed();
    log.error({ err: error, ...ids }, 'a part of the gateway failed');
  };
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
      ...(failpoint && { failpoint }),
    }),
    (open) => open.close(),
      onWritten: (records, waited) => metrics.appended(records, waited),
  );
  const recovered = await recover({ db, audit, gateway, epoch });
  log.info({ gateway, epoch, ...recovered }, 'the log is open');
  await audit.append({ kind: 'policy', body: { version: policy.version, gateway, epoch } });

  const directory = directoryOf(config.people);
  const tokens = await openTokens(db, audit);
  const queue = opened.adopt(openQueue(config.queue, store.url, onError), (q) => q.close());
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
    recoverLapsed({ db, audit, gateway }).catch(onError);
  }, SWEEP_MS);
  opened.defer(() => clearInterval(sweep));
  const bot = opened.adopt(
    await startBot({ config, requests, directory, db, queue, log, ...(tracing && { tracing }) }),
    (open) => open.close(),
  );

  const analysers = new Map<string, Analyser>();
  opened.defer(async () => {
    for (const analyser of analysers.values()) await analyser.close();
  });
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
    policy: () => policy,
    subject,
    holds,
    publicUrl: config.publicUrl,
    onFailure: onError,
    targets: config.targets,
    analyser: (target, database) => analyserOf(analysers, target, database, onError),
    db,
    telemetry,
    gateway: { gateway, epoch },
    cancels,
    maskKey: createHmac('sha256', secret).update('mask').digest(),
  };
  const sessions = new Sessions(deps);
  const http = opened.adopt(
    await listenHttp({
      address: config.listen.console,
      tls: config.tls?.console ? tls.use : undefined,
  metrics.watch({
    outboxPending: () => outboxPending(db),
    policyVersion: () => policy.version,
    policyLoadFailures: () => 0,
  });
  const ready = readiness({
    held,
    store: () => db.pool.query('select 1'),
    queue: () => queue.ping(),
    targets: [...config.targets.values()].map(
      (target) => () => deps.analyser(target, target.database).ready(),
    ),
    chat: () => bot.problem(),
    rulesFail: () => false,
  });
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
          (asked) => reader !== undefined && mayReveal(policy, reader, asked),
        );
        if (review.kind !== 'elsewhere') return review;
        const there = await consoleOfHolder(db.pool, id, config.publicUrl);
        return { ...review, ...(there !== undefined && { at: `${there}/requests/${id}` }) };
      },
      ready,
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
  const parts = opened.move();
  return {
    console: http.url,
    api: `${http.url}/api/v1`,
    postgres: { host: config.listen.postgres.host, port: listener.port },
    tokens,
    lost: lost.promise,
    stop: () => parts.disposeAsync(),
  };
}

function analyserOf(
  analysers: Map<string, Analyser>,
  target: TargetConfig,
  database: string,
  onError: (error: unknown) => void,
): Analyser {
  const key = `${target.name}/${database}`;
  const known = analysers.get(key);
  if (known) return known;
  const analyser = openAnalyser(target, database, { onError });
  analysers.set(key, analyser);
  return analyser;
}

/** People as the directory knows them now, with the roles of their grants as of the last second. */
function subjects(
  find: (email: string) => Promise<Person | undefined>,
  rolesOf: (email: string) => Promise<string[]>,
): (email: string) => Promise<Subject | undefined> {
  const cache = new Map<string, { readonly until: number; readonly subject: Promise<Subject> }>();
  return async (email) => {
    const person = await find(email);
    if (!person) return undefined;
    const known = cache.get(person.email);
    // The same object as long as nothing changed: verdicts are cached by it.
    if (known && known.until > performance.now()) {
      const subject = await known.subject;
      if (subject.person === person) return subject;
    }
    const subject = rolesOf(person.email).then((roles) => ({ person, roles }));
    subject.catch(() => cache.delete(person.email));
    cache.set(person.email, { until: performance.now() + GRANTS_MS, subject });
    return await subject;
  };
}
