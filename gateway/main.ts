import { createHmac } from 'node:crypto';
import { startBot, type Bot } from '#bot/main.ts';
import { openRecords } from '#src/audit/records.ts';
import { openSessionsList } from '#src/audit/sessions.ts';
import { openTimeline } from '#src/audit/timeline.ts';
import type { Config } from '#src/config/config.ts';
import { rolesOf } from '#src/identity/grants.ts';
import { openAuthority } from '#src/identity/ca.ts';
import { openCertificates } from '#src/identity/certificates.ts';
import { openChatAccounts } from '#src/identity/chat-accounts.ts';
import { openChatLinks } from '#src/identity/chat-links.ts';
import { openDevices } from '#src/identity/devices.ts';
import { recordsFailures } from '#src/identity/failed.ts';
import { openPeople } from '#src/identity/people-store.ts';
import { openSamlStore } from '#src/identity/saml/store.ts';
import { openSignIns } from '#src/identity/sign-ins.ts';
import { openScim } from '#src/identity/scim/service.ts';
import type { Tokens } from '#src/identity/token.ts';
import { openTokens } from '#src/identity/tokens.ts';
import { openVault } from '#src/identity/vault.ts';
import { installationSecret } from '#src/store/secrets.ts';
import { Failures } from './api/failures.ts';
import { listenHttp } from './api/listener.ts';
import { CANCEL, openCore, type Core, type ServeOptions } from './core.ts';
import { openArrivals } from './arrivals.ts';
import { chatOffice } from './chat.ts';
import { passwordGuesses } from './guesses.ts';
import { signInsOfSessions } from './gate/fresh.ts';
import { Holds } from './gate/holds.ts';
import { Analysers } from './postgres/analysers.ts';
import { namesOfAll } from './postgres/columns.ts';
import { openOidc } from './oidc.ts';
import { openOwnRecordings } from './recordings.ts';
import { Cancels } from './postgres/cancel.ts';
import { listenPostgres } from './postgres/listener.ts';
import type { SessionDeps } from './postgres/deps.ts';
import { Sessions } from './postgres/session.ts';
import { openEmbedded } from './provider/embedded.ts';
import { NamesWatch } from './names.ts';
import { readiness } from './ready.ts';
import { openRetention } from './retention.ts';
import { keepSessions } from './keep.ts';
import { reviews } from './review.ts';
import type { RulesState } from './reload.ts';
import { openSearching } from './search.ts';
import { subjects } from './subjects.ts';
import { logSources, outboxPending } from './telemetry.ts';
import { openTree } from './tree.ts';
import { watchTls } from './tls.ts';
import { openLog } from './verify.ts';

export type RunningPart = {
  /** Another process has taken this one's name: everything is refused from then on, and this one should stop. */
  readonly lost: Promise<Error>;
  /** Reads configuration and rules again, now. Never rejects: what does not load changes nothing, and `rules` says so. */
  reload(): Promise<void>;
  rules(): RulesState;
  /** Refuses new sessions, withdraws holds, lets what runs end, then closes everything; 8 s at most. */
  stop(): Promise<void>;
};

export type Running = RunningPart & {
  readonly console: string;
  /** Ends in `/api/v1`. */
  readonly api: string;
  readonly postgres: { readonly host: string; readonly port: number };
  /** Of the embedded provider, when the configuration has it. */
  readonly issuer?: string;
  readonly tokens: Tokens;
};

const DRAIN_MS = 5_000;

/**
 * Starts gateway, console and bot in this process, or with `bot: false` without the bot. Rejects with the first thing
 * that is wrong, and leaves nothing running.
 */
export async function serve(
  config: Config,
  { bot: withBot = true, ...options }: ServeOptions & { readonly bot?: boolean },
): Promise<Running> {
  await using opened = new AsyncDisposableStack();
  const there = await namesOfAll(config.targets.values(), (target, err) =>
    options.log.warn(
      { target, err },
      'cannot be asked yet, so its tables in rules are not checked',
    ),
  );
  const core = await openCore(config, { ...options, there }, opened);
  const bot = withBot
    ? opened.adopt(await openBot(core, opened), (open) => open.close())
    : undefined;
  const addresses = await openGateway(core, options, bot, opened);
  opened.defer(core.watch());
  return { ...addresses, ...partOf(core, opened.move()) };
}

/** Starts the bot alone: it posts what any gateway of this store holds, and takes the votes. */
export async function serveBot(config: Config, options: ServeOptions): Promise<RunningPart> {
  await using opened = new AsyncDisposableStack();
  const { name = config.name } = options;
  const core = await openCore(config, { ...options, name: `${name}/bot` }, opened);
  opened.adopt(await openBot(core, opened), (open) => open.close());
  opened.defer(core.watch());
  return partOf(core, opened.move());
}

function partOf({ lost, reload }: Core, parts: AsyncDisposableStack): RunningPart {
  return {
    lost,
    reload: () => reload.reload('signal'),
    rules: () => reload.state(),
    stop: () => parts.disposeAsync(),
  };
}

function openBot(whole: Core, opened: AsyncDisposableStack): Promise<Bot> {
  const { config, reload, deciders, telemetry, ...core } = whole;
  return startBot({
    ...core,
    office: chatOffice(whole, config.listen.postgres, opened),
    config: {
      publicUrl: config.publicUrl,
      ...(config.audit && { audit: config.audit }),
      get chat() {
        return reload.config.chat;
      },
      get targets() {
        return reload.config.targets;
      },
    },
    directory: deciders,
    ...(telemetry.tracing && { tracing: telemetry.tracing }),
  });
}

async function openGateway(
  core: Core,
  options: Pick<ServeOptions, 'namesEveryMs'>,
  bot: Bot | undefined,
  opened: AsyncDisposableStack,
): Promise<Omit<Running, keyof RunningPart>> {
  const { config, log, telemetry, db, lease, audit, queue, notices, requests, reload } = core;
  const { onError } = core;
  const { metrics } = telemetry;
  const { directory } = core;
  if (config.audit) await openTree(core, config.audit, opened);
  const tls = opened.adopt(await watchTls(config, { log }), (watched) => watched.close());
  const tokens = await openTokens(db, audit);
  const { identity } = config;
  const failures = new Failures();
  const certificates = config.tls?.certificateLogin
    ? openCertificates(db, tokens, () => openAuthority(config.dataDir))
    : undefined;
  const embedded = openEmbedded({ config, people: () => reload.config.people, onError });
  opened.defer(() => embedded?.close());
  const people = openPeople({ ...core, identity });
  const vault = await openVault(config.dataDir);
  const { recordings, chunks } = openOwnRecordings(core, vault, opened);
  const signIns = openSignIns({ db, audit, vault, sessions: identity.sessions });
  const retention = openRetention({ ...core, signIns, chunks }, opened);
  const oidc = await openOidc(core, { people, signIns, embedded }, opened);
  const analysers = opened.adopt(new Analysers(onError), (open) => open.close());
  const names = new NamesWatch({
    rules: () => reload.policy.rules,
    targets: () =>
      Array.from(reload.config.targets.values(), (target) => ({
        name: target.name,
        names: () => analysers.of(target, target.database).names(),
      })),
    log,
  });
  opened.defer(names.start(options.namesEveryMs));
  const secret = await installationSecret(db.pool, 'console');
  const holds = new Holds();
  const cancels = new Cancels({
    key: await installationSecret(db.pool, 'cancel'),
    tell: (mark) => void notices.send(CANCEL, mark).catch(onError),
  });
  notices.on(CANCEL, (mark) => void (mark && cancels.heard(mark).catch(onError)));
  const { find: subject, forget } = subjects(
    (email) => directory.find(email),
    (email) => rolesOf(db, email),
    config.identity.agents,
  );
  const deps: SessionDeps = {
    audit,
    requests,
    policy: () => reload.policy,
    subject,
    signIn: signInsOfSessions(oidc.sessions),
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
    configured: () => directory.configured(),
    gateway: { gateway: lease.gateway, epoch: lease.epoch },
    cancels,
    recordings,
    maskKey: createHmac('sha256', secret).update('mask').digest(),
  };
  const sessions = new Sessions(deps);
  const arrivals = openArrivals(
    core,
    { tokens, oidc, cancels, serve: (client) => sessions.serve(client) },
    opened,
  );
  keepSessions(core, { sessions, subject, forget, holds, analysers }, opened);
  metrics.watch({
    targets: () => reload.config.targets.keys(),
    outboxPending: () => outboxPending(db),
    policyVersion: () => reload.policy.version,
    policyLoadFailures: () => reload.state().failures,
    policyNamesMissing: () => names.missing.length,
    removed: () => retention.removed,
    ...(config.audit && logSources(db, config.audit.anchors)),
  });
  const ready = readiness({
    held: () => lease.held(),
    records: () => !audit.refused(),
    silent: () => core.heartbeat?.silentSeconds(),
    signed: () => !audit.unsigned(),
    store: () => db.pool.query('select 1'),
    queue: () => queue.ping(),
    get targets() {
      return [...reload.config.targets.values()].map(
        (target) => () => analysers.of(target, target.database).ready(),
      );
    },
    chat: () => bot?.problem(),
    rulesFail: () => reload.state().problems.length > 0,
  });
  const http = opened.adopt(
    await listenHttp({
      address: config.listen.console,
      tls: config.tls?.console ? tls.use : undefined,
      log,
      requests,
      talk: requests,
      access: { ...requests, rules: core.roles },
      records: openRecords(db),
      legalHolds: retention.legalHolds,
      recordings,
      sessions: openSessionsList({ db, audit }),
      timeline: openTimeline(db),
      ...openLog(core, opened),
      ...(config.audit && openSearching(core, recordings, opened)),
      tokens,
      directory: core.deciders,
      absences: core.absences,
      people,
      signIns,
      identity,
      scim: await openScim({ db, audit, directory, identity, publicUrl: config.publicUrl }),
      oidc,
      saml: openSamlStore(db),
      ...(embedded && { embedded }),
      audit,
      publicUrl: config.publicUrl,
      secret,
      oauth: {
        publicUrl: config.publicUrl,
        tokens,
        directory,
        devices: openDevices(db, audit),
        certificates,
        lifetimeMs: () => reload.config.identity.tokens.lifetimeMs,
        postgres: { ...config.listen.postgres, tls: config.tls !== undefined },
        grants: arrivals.grants,
      },
      confirmations: arrivals.confirmations,
      chat: { accounts: openChatAccounts(db, audit), links: openChatLinks(core) },
      changes: {
        on: (listener) => requests.watch((id) => id !== undefined && listener(id)),
      },
      review: reviews({ db, holds, subject, policy: deps.policy, publicUrl: config.publicUrl }),
      ready,
      rules: () => ({ ...reload.state(), missing: names.missing }),
      metrics,
      failures,
    }),
    (open) => open.close(),
  );
  const listener = opened.adopt(
    await listenPostgres({
      address: config.listen.postgres,
      tls: tls.use && { ...config.tls, use: tls.use },
      ...arrivals.asked,
      guessed: passwordGuesses({ failures, failed: recordsFailures(audit) }),
      certificates,
      cancels,
      log,
    }),
    (open) => open.close(),
  );
  opened.defer(() => sessions.stop(DRAIN_MS));
  // The first person would else wait for what is made only once: the parser, the analyser's session and its catalog.
  for (const target of config.targets.values())
    void analysers
      .of(target, target.database)
      .ready()
      .catch(() => undefined);
  return {
    console: http.url,
    api: `${http.url}/api/v1`,
    postgres: { host: config.listen.postgres.host, port: listener.port },
    ...(embedded && { issuer: embedded.oidc.issuer }),
    tokens,
  };
}
