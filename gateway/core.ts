import type { Logger } from 'pino';
import { openAbsences, type Absences } from '#src/approval/away.ts';
import { openQueue } from '#src/approval/bullmq.ts';
import type { Queue } from '#src/approval/queue.ts';
import { CHANGED } from '#src/approval/grants.ts';
import { openOnCall, type OpenOnCall } from '#src/approval/on-call.ts';
import { openRequests, type OpenRequests } from '#src/approval/requests.ts';
import { openStanding } from '#src/approval/standing.ts';
import { CHANNEL } from '#src/approval/wake.ts';
import type { Failpoint } from '#src/audit/lane.ts';
import { startHeartbeat, type Heartbeat } from '#src/audit/heartbeat.ts';
import { recover, recoverLapsed } from '#src/audit/recovery.ts';
import { SESSION_ENDED } from '#src/audit/sessions.ts';
import { openKeys } from '#src/audit/tree/keys.ts';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { writerKey } from '#src/config/audit.ts';
import type { Config } from '#src/config/config.ts';
import type { Directory } from '#src/identity/person.ts';
import { CONFIRMATION } from '#src/identity/confirmations.ts';
import { ENDED } from '#src/identity/end.ts';
import { openDirectory, PERSON, type OpenDirectory } from '#src/identity/directory.ts';
import { watchConfig } from '#src/config/folders.ts';
import { type Database, openDatabase } from '#src/store/database.ts';
import { checkDurability } from '#src/store/durability.ts';
import { type Lease, openLease } from '#src/store/lease.ts';
import { openNotices, type Notices } from '#src/store/notices.ts';
import type { Telemetry } from '#src/telemetry/telemetry.ts';
import type { FailureIds } from './gate/asked.ts';
import { migrateStore, openStore, readPolicy } from './parts.ts';
import type { Catalogued } from '#src/policy/load.ts';
import { namesOfAll } from './postgres/columns.ts';
import { roleRules, type RoleRules } from './roles.ts';
import { Reload } from './reload.ts';
import { openTelemetry } from './telemetry.ts';

/** Where gateways pass on the CancelRequests that are for another. */
export const CANCEL = 'countersign_cancel';
const SWEEP_MS = 5_000;

export type ServeOptions = {
  readonly log: Logger;
  /** The name of this process among those of one store; default: the installation's. */
  readonly name?: string;
  /** The process that held this name before is known to be dead: its lease is not waited for. */
  readonly takeOver?: boolean;
  /** How long a lease holds without renewal, and how long after its end others wait before they put things right. */
  readonly lease?: { readonly ttlMs: number; readonly graceMs: number };
  /** For fault tests. */
  readonly failpoint?: Failpoint;
  /** What the targets that answered have: rules that name anything else there do not load. */
  readonly there?: Catalogued;
  /** How often it is looked whether that is still so; default one minute. */
  readonly namesEveryMs?: number;
};

/** What every process of an installation has, whatever part of the work it does. */
export type Core = {
  readonly config: Config;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly db: Database;
  /** The store as the owner of its tables, who alone may erase; the same role where there is one for everything. */
  readonly ownerUrl: string;
  readonly lease: Lease;
  /** Resolves when another process has taken this one's name. */
  readonly lost: Promise<Error>;
  readonly audit: OpenAuditLog;
  /** Undefined where the configuration asks for none. */
  readonly heartbeat: Heartbeat | undefined;
  readonly queue: Queue;
  readonly notices: Notices;
  readonly requests: OpenRequests;
  readonly roles: RoleRules;
  readonly reload: Reload;
  readonly directory: OpenDirectory;
  /** The same people, with what they may decide for beside their groups. */
  readonly deciders: Directory;
  readonly onCall: OpenOnCall;
  readonly absences: Absences;
  readonly onError: (error: unknown, ids?: FailureIds) => void;
  /** Called after each swap of rules or configuration. */
  onReload(listener: () => void): void;
  /** Looks at the files from now on. */
  watch(): () => Promise<void>;
};

/**
 * Store, name, log, recovery, rules, queue and requests, in this order, each closed again by `opened`. Rejects with the
 * first thing that is wrong.
 */
export async function openCore(
  config: Config,
  { log, name = config.name, failpoint, lease: times, ...options }: ServeOptions,
  opened: AsyncDisposableStack,
): Promise<Core> {
  const { takeOver = config.store.postgres === 'embedded' } = options;
  const telemetry = await openTelemetry(config, (err) => log.warn({ err }, 'a part of it is lost'));
  const { metrics, tracing } = telemetry;
  opened.defer(() => tracing?.close());
  const onError = (error: unknown, ids: FailureIds = {}): void => {
    metrics.failed();
    log.error({ err: error, ...ids }, 'a part of the gateway failed');
  };
  const lost = Promise.withResolvers<Error>();
  lost.promise.then(onError, onError);
  const policy = await readPolicy(config, options.there);

  const store = opened.adopt(await openStore(config, (text) => log.info(text)), (s) => s.stop());
  const db = opened.adopt(openDatabase(store.url, { max: 20, onError }), (d) => d.close());
  await checkDurability(db);
  await migrateStore(store, db);
  const lease = opened.adopt(
    await openLease(db, {
      name,
      console: config.publicUrl,
      takeOver,
      ...(times && { ttlMs: times.ttlMs }),
      onLost: lost.resolve,
    }),
    (held) => held.release(),
  );
  const { gateway, epoch } = lease;
  const held = (): boolean => lease.held();
  const keys = opened.adopt(
    await openKeys(writerKey(config), (text) => log.warn({ text }, 'the holder of the key says')),
    (open) => open.close(),
  );
  const audit = opened.adopt(
    await openAuditLog({
      db,
      writer: gateway,
      epoch,
      held,
      onError,
      signing: { keys, heartbeatMs: config.audit?.heartbeatMs },
      onWritten: (records, waited) => metrics.appended(records, waited),
      ...(failpoint && { failpoint }),
    }),
    (open) => open.close(),
  );
  const recovered = await recover({ db, audit, gateway, epoch });
  log.info({ gateway, epoch, ...recovered }, 'the log is open');
  const start = { version: policy.version, cause: 'start', gateway, epoch };
  await audit.append({ kind: 'policy', body: start });
  const heartbeat =
    config.audit &&
    opened.adopt(
      startHeartbeat({
        db,
        audit,
        writer: gateway,
        epoch,
        everyMs: config.audit.heartbeatMs,
        sessions: () => metrics.sessionsOpen(),
      }),
      (beating) => beating.close(),
    );

  const swapped = new Set<() => void>();
  const reload = new Reload({
    config,
    policy,
    audit,
    log,
    catalogued: (now) =>
      namesOfAll(now.targets.values(), (target, err) =>
        log.warn(
          { target, err },
          'cannot be asked, so its tables and columns in rules are not checked',
        ),
      ),
    record: { gateway, epoch },
    changed: () => swapped.forEach((listener) => listener()),
  });
  const queue = opened.adopt(openQueue(config.queue, store.url, log), (q) => q.close());
  const notices = opened.adopt(
    await openNotices(
      db,
      [CHANNEL, CANCEL, CHANGED, PERSON, ENDED, SESSION_ENDED, CONFIRMATION],
      onError,
    ),
    (open) => open.close(),
  );
  const directory = openDirectory({ db, notices, configured: () => reload.people });
  swapped.add(() => directory.reloaded());
  const roles = roleRules({
    db,
    directory,
    policy: () => reload.policy,
    targets: () => reload.config.targets,
  });
  const onCall = openOnCall({
    rotas: () => reload.config.oncall ?? new Map(),
    failed: (rota, why) =>
      log.error({ rota, why }, 'the command of a rota failed: nobody is on call by it'),
  });
  const deciders = openStanding({ db, directory, onCall });
  const requests = opened.adopt(
    openRequests({
      db,
      notices,
      audit,
      queue,
      lease,
      directory: deciders,
      onError,
      refusesRole: (request) => roles.refusesRole(request),
      groups: () => reload.config.groups,
      ...(tracing && { tracing }),
    }),
    (open) => open.close(),
  );
  const sweep = setInterval(() => {
    recoverLapsed({ db, audit, gateway, ...(times && { graceMs: times.graceMs }) }).catch(onError);
  }, SWEEP_MS);
  opened.defer(() => clearInterval(sweep));
  return {
    config,
    log,
    telemetry,
    db,
    ownerUrl: store.ownerUrl ?? store.url,
    lease,
    lost: lost.promise,
    audit,
    heartbeat,
    queue,
    notices,
    requests,
    roles,
    reload,
    directory,
    deciders,
    onCall,
    absences: openAbsences({ db, audit, directory }),
    onError,
    onReload: (listener) => void swapped.add(listener),
    watch() {
      const watched = watchConfig(config, () => void reload.reload('file'));
      // What was written while the process started.
      void reload.reload('file');
      return async () => {
        watched.close();
        await reload.close();
      };
    },
  };
}
