import { randomUUID } from 'node:crypto';
import type { TargetConfig } from '#src/config/config.ts';
import type { SessionRecording } from '#src/recording/port.ts';
import { endedTokens } from '#src/identity/tokens.ts';
import { endSession, startSession } from '#src/store/sessions.ts';
import type { SessionFacts } from '../gate/gate.ts';
import { ofSession } from '../gate/record.ts';
import { isUnrestricted } from '../gate/unrestricted.ts';
import { estimatesDone } from './estimates.ts';
import { Conversation } from './conversation.ts';
import type { SessionDeps } from './deps.ts';
import { STOPPING, type Ending } from './endings.ts';
import { parameterStatus, readyForQuery } from './codec.ts';
import { Fatal } from './fatal.ts';
import type { Client, Greeted } from './listener.ts';
import { roleOf, targetOf } from './personal.ts';
import { RuleBound } from './rule-bound.ts';
import { asksReplication, noReplication } from './settings.ts';
import { openTarget, TargetUnavailable, type TargetConnection } from './target.ts';
import { Transcript } from './transcript.ts';
import { RESTRICTED, Unrestricted } from './unrestricted/engine.ts';

type Open = {
  readonly done: Promise<void>;
  readonly facts: SessionFacts;
  /** Id of the token that it was opened with. */
  readonly token: string;
  readonly config: TargetConfig;
  /** No rule could limit anything in it. */
  readonly free: boolean;
};

/** The sessions of this process, so that it can stop them. */
export class Sessions {
  readonly #deps: SessionDeps;
  readonly #open = new Map<Conversation, Open>();
  /** Ids of those whose end is recorded already. */
  readonly #recorded = new Set<string>();
  #stopping = false;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#open.size;
  }

  /** One client from its authentication to its end. Rejects with Fatal when the session may not begin. */
  async serve(client: Client): Promise<void> {
    if (this.#stopping) throw new Fatal('57P01', 'the gateway is stopping');
    const config = this.#deps.targets.get(client.target);
    const facts = factsOf(client, config);
    const deps = ofThis(this.#deps, facts);
    const free = config !== undefined && (await isUnrestricted(deps, facts));
    checkSettings(client, config, free);
    try {
      await this.#talk(deps, facts, client, config, free);
    } catch (error) {
      if (error instanceof Fatal) error.session = facts.id;
      throw error;
    }
  }

  async #talk(
    deps: SessionDeps,
    facts: SessionFacts,
    client: Client,
    config: TargetConfig | undefined,
    free: boolean,
  ): Promise<void> {
    await begin(deps, facts, client, config, free);
    const ids = { session: facts.id, target: facts.target.name };
    deps.log.info({ ...ids, address: client.address }, 'a session begins');
    const tally = deps.telemetry.metrics.target(facts.target.name);
    tally.sessionsOpen += 1;
    let done: Promise<void> | undefined;
    let recording: SessionRecording | undefined;
    try {
      if (!config) throw unknownTarget(client.target);
      const theirs = await targetOf(this.#deps, config, facts);
      const target = await open(theirs, client, free).catch((error: unknown) => {
        tally.errors.connect += 1;
        throw error;
      });
      await this.#stillWelcome(facts, client).catch((error: unknown) => {
        target.destroy();
        throw error;
      });
      recording = deps.recordings.open(recordedSession(facts));
      const transcript = new Transcript(recording, config.record);
      const conversation = new Conversation(
        { deps, config: theirs, facts, client, target, transcript },
        (parts, hooks) => (free ? new Unrestricted(parts, hooks) : new RuleBound(parts, hooks)),
      );
      const { greeted } = client;
      const onCancel = (): Promise<void> => conversation.cancel();
      greeted?.cancels(onCancel);
      const cancel = greeted
        ? undefined
        : this.#deps.cancels.register(target.pid, client.minor, onCancel);
      done = conversation
        .talk(greeting(target, cancel?.keyData, greeted))
        .finally(() => cancel?.unregister());
      this.#open.set(conversation, { done, facts, token: client.token, config, free });
      if (this.#stopping) conversation.stop();
      await done.finally(() => this.#open.delete(conversation));
    } finally {
      tally.sessionsOpen -= 1;
      deps.log.info(ids, 'a session has ended');
      // Nobody waits for it, and its end is looked after where it was opened.
      void recording?.close();
      end(deps, facts, this.#recorded.delete(facts.id));
    }
  }

  /** Ends at once the sessions for which `why` says a reason. */
  revoke(why: (session: SessionFacts, token: string) => Ending | undefined): void {
    for (const [conversation, { facts, token }] of this.#open) {
      const ending = why(facts, token);
      if (!ending) continue;
      if (ending.recorded) this.#recorded.add(facts.id);
      conversation.revoke(ending);
    }
  }

  /** Ends unrestricted sessions of who is not unrestricted any more: what was prepared in them was never judged. */
  async recheck(): Promise<void> {
    const free = [...this.#open].filter(([, session]) => session.free);
    await Promise.all(
      free.map(async ([conversation, { facts, config }]) => {
        if (await isUnrestricted(this.#deps, facts)) return;
        // A stream of changes has no end of its own.
        if (config.replication === true) conversation.revoke({ ...STOPPING, why: RESTRICTED });
        else conversation.retire(RESTRICTED);
      }),
    );
  }

  /** Ids of the tokens that sessions were opened with, each once. */
  tokens(): readonly string[] {
    return [...new Set([...this.#open.values()].map(({ token }) => token))];
  }

  /** Whether a session speaks to this very target, as it is configured. */
  uses(config: TargetConfig): boolean {
    return [...this.#open.values()].some((session) => session.config === config);
  }

  /** Person, token and target may have been taken out while the target was being connected to. */
  async #stillWelcome(facts: SessionFacts, { token }: Client): Promise<void> {
    if ((await endedTokens(this.#deps.db, [token])).size > 0)
      throw new Fatal('28000', 'the token of this session was revoked or has expired');
    const subject = await this.#deps.subject(facts.person, facts.agent);
    if (!subject) throw new Fatal('28000', 'this person is no longer known here');
    if (!this.#deps.targets.has(facts.target.name)) throw unknownTarget(facts.target.name);
  }

  /** Withdraws holds, lets what runs end, and says goodbye; resolves when all are gone or at the deadline. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    for (const conversation of this.#open.keys()) conversation.stop();
    const all = Promise.allSettled([
      ...[...this.#open.values()].map(({ done }) => done),
      estimatesDone(),
    ]);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([all, late]);
    clearTimeout(timer);
    for (const conversation of this.#open.keys()) conversation.destroy();
    await all;
  }
}

/** Whatever fails in a session is logged with its id; whoever acts in it is judged together with the person. */
function ofThis(deps: SessionDeps, { id, agent }: SessionFacts): SessionDeps {
  return {
    ...deps,
    onFailure: (error, ids) => deps.onFailure(error, { session: id, ...ids }),
    subject: (email) => deps.subject(email, agent),
  };
}

function factsOf(client: Client, config: TargetConfig | undefined): SessionFacts {
  return {
    id: randomUUID(),
    protocol: 'postgres',
    person: client.person.email,
    ...(client.agent !== undefined && { agent: client.agent }),
    target: {
      name: client.target,
      environment: config?.environment ?? '',
      timeZone: config?.timeZone ?? 'UTC',
    },
    database: client.database ?? config?.database ?? '',
    client: client.address,
    application: client.application,
    holdInTransactionMs: config?.hold.inTransactionMs ?? 0,
  };
}

/** May this person connect? Recorded either way, before anything reaches the target. */
async function begin(
  deps: SessionDeps,
  facts: SessionFacts,
  client: Client,
  config: TargetConfig | undefined,
  free: boolean,
): Promise<void> {
  const policy = deps.policy();
  const subject = await deps.subject(facts.person);
  if (!subject) throw new Fatal('28000', 'this person is no longer known here');
  const verdict = policy.connect(subject, facts.target, { inTransaction: false, now: Date.now() });
  // An unknown target and a forbidden one look the same to whoever has no right to know.
  const allowed = config !== undefined && verdict.kind === 'allow';
  const role = config && roleOf(config, facts.person);
  const body = {
    database: facts.database,
    ...(role !== undefined && { role }),
    client: facts.client,
    application: facts.application,
    token: client.token,
    tls: client.tls,
    ...(client.greeted && { confirmation: client.greeted.confirmation }),
    ...(client.certificate !== undefined && { certificate: client.certificate }),
    policy: policy.version,
    rules: verdict.rules,
    ...(free && { unrestricted: true }),
    groups: subject.person.groups,
  };
  await deps.audit
    .append(
      { kind: 'session-start', ...ofSession(facts), verdict: allowed ? 'allow' : 'deny', body },
      allowed
        ? (sql) => startSession(sql, { ...deps.gateway, ...rowOf(facts, subject.agent?.id) })
        : undefined,
    )
    .catch((error: unknown) => {
      deps.onFailure(error);
      throw new Fatal('58000', 'countersign: sessions cannot be recorded now, so none can begin', {
        hint: 'The audit store does not answer. Try again; if it lasts, ask the operator to run "countersign doctor".',
      });
    });
  if (allowed) return;
  if (verdict.kind === 'allow') throw unknownTarget(client.target);
  throw new Fatal(
    '42501',
    `countersign: there is no target "${client.target}" for you: ${verdict.message}`,
    {
      detail: `Refused by rule ${verdict.rules.join(', ')}.`,
      hint: `Is the name right? It is the database: dbname=<target>. If it is, ask for access to it, or ask whoever keeps its rules.`,
    },
  );
}

const recordedSession = ({ id, person, agent, target, database, protocol }: SessionFacts) => ({
  id,
  person,
  ...(agent !== undefined && { agent }),
  target: target.name,
  database,
  protocol,
  startedAt: new Date(),
});

function rowOf(facts: SessionFacts, agent: string | undefined) {
  return {
    id: facts.id,
    person: facts.person,
    ...(agent !== undefined && { agent }),
    target: facts.target.name,
    database: facts.database,
    protocol: facts.protocol,
    client: facts.client,
    application: facts.application,
  };
}

function end(deps: SessionDeps, facts: SessionFacts, recorded: boolean): void {
  if (recorded) return;
  deps.audit.later({ kind: 'session-end', ...ofSession(facts), body: {} });
  endSession(deps.db.pool, facts.id).catch(deps.onFailure);
}

const unknownTarget = (name: string): Fatal =>
  new Fatal('3D000', `there is no target "${name}" here`, {
    hint: 'The database is the target’s name: dbname=<target>, or dbname=<target>/<database>.',
  });

/** Throws Fatal for what only an unrestricted session may ask for at its start. */
function checkSettings(client: Client, config: TargetConfig | undefined, free: boolean): void {
  if (!free && client.refused) throw client.refused;
  if (asksReplication(client.untouched) && config?.replication !== true) throw noReplication();
}

async function open(
  config: TargetConfig,
  client: Client,
  free: boolean,
): Promise<TargetConnection> {
  const own = [...client.countersign].map(
    ([name, value]) => [`countersign.${name}`, value] as const,
  );
  const settings = free ? client.untouched : new Map([...client.parameters, ...own]);
  const as = free ? 'unrestricted' : 'judged';
  try {
    return await openTarget(config, client.database, settings, undefined, as);
  } catch (error) {
    if (!(error instanceof TargetUnavailable)) throw error;
    throw new Fatal('08001', `countersign: ${error.message}`, {
      hint: 'The gateway could not log in to the target. The operator finds the cause with "countersign doctor".',
      cause: error,
    });
  }
}

function greeting(
  target: TargetConnection,
  keyData: Buffer | undefined,
  greeted: Greeted | undefined,
): Buffer {
  const news = [...target.parameters].filter(
    ([name, value]) => greeted?.parameters.get(name) !== value,
  );
  const parameters = news.map(([name, value]) => parameterStatus(name, value));
  // It knows the rest, and may have asked already.
  if (!keyData) return Buffer.concat(parameters);
  // A target without a cancel key cannot be cancelled by us either; the client then must not think it can.
  return Buffer.concat([...parameters, ...(target.secretKey ? [keyData] : []), readyForQuery('I')]);
}
