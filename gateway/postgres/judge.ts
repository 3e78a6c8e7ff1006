import type { Analysis } from '#src/statement/sql/analysis.ts';
import { nothingMeant } from '#src/statement/sql/meaning.ts';
import type { Look, Refused } from '#src/statement/statement.ts';
import { Withdrawable, type Withdrawal } from '../gate/holds.ts';
import { admit, admitOwn, type GateRefusal, type HeldNotice } from '../gate/gate.ts';
import { bind } from '../gate/binding.ts';
import type { Permit } from '../gate/permit.ts';
import type { Analyser } from './analyser.ts';
import type { TransactionStatus } from './codec.ts';
import type { ConversationParts } from './deps.ts';
import { Looks, type Moment, type Sent } from './look.ts';
import { SessionNames } from './named.ts';
import { readSettings, SETTINGS_STATEMENT, type SessionSettings } from './own.ts';
import { SqlParticulars } from './particulars.ts';
import { type Part, type ResultPlan, unfit } from './plan.ts';
import { Run } from './recorder.ts';
import { heldMessage } from './refusal.ts';
import type { Responses } from './responses.ts';

/** A statement that may run now, and what must be done to its results. */
export type Admission =
  | {
      readonly ok: true;
      readonly permit: Permit;
      readonly run: Run;
      readonly plans: readonly ResultPlan[];
      /** A fresh sign-in that it was judged behind counts no longer: milliseconds since the epoch. */
      readonly until?: number;
      /** Of the rules it was judged by. */
      readonly generation: number;
    }
  | { readonly ok: false; readonly refusal: GateRefusal };

/** How long a client that was told where to sign in is not told again. */
const QUIET_MS = 60_000;

/** What the session knows of itself, and the one way from a statement's text through the gate. */
export class Judge {
  readonly names = new SessionNames();
  readonly #parts: ConversationParts;
  readonly #responses: Responses;
  readonly #analyser: Analyser;
  readonly #looks: Looks;
  readonly #particulars: SqlParticulars;
  #settings: SessionSettings | undefined;
  #status: TransactionStatus = 'I';
  #since: number | undefined;
  /** Settings were changed in the transaction that is open: its end may change them back. */
  #unsettled = false;
  /** Schema changes that the analyser cannot see until they are committed. */
  #defined = false;
  #waiting: Withdrawable | undefined;
  #holding = false;
  #quietUntil = 0;
  #idle: (() => void) | undefined;
  #onHeld: (() => void) | undefined;
  /** Extended messages were sent since the last Sync. */
  pipeline = false;
  /** Grows with everything that may change what a name or a setting means. */
  steps = 0;
  /** A Query or Sync is on its way: the next message waits for ReadyForQuery. */
  busy = false;

  constructor(parts: ConversationParts, responses: Responses) {
    this.#parts = parts;
    this.#responses = responses;
    const { deps, facts, config } = parts;
    this.#analyser = deps.analyser(config, facts.database);
    this.#looks = new Looks(deps.policy, {
      session: facts.id,
      person: facts.person,
      target: facts.target,
      database: facts.database,
      role: config.user,
    });
    this.#particulars = new SqlParticulars(
      parts,
      this.#analyser,
      this.#looks,
      () => this.#since !== undefined,
    );
  }

  get status(): TransactionStatus {
    return this.#status;
  }
  get holding(): boolean {
    return this.#holding;
  }
  get idle(): boolean {
    return !this.busy && !this.pipeline && !this.#waiting;
  }
  /** Of the rules that a statement is judged by now. */
  get generation(): number {
    return this.#parts.deps.generation();
  }
  get inTransaction(): boolean {
    return this.#status !== 'I' || this.pipeline;
  }

  whenIdle(listener: () => void): void {
    this.#idle = listener;
  }
  whenHeld(listener: () => void): void {
    this.#onHeld = listener;
  }

  /** What `text` would do, as the session stands now. Never rejects: what cannot be analysed is refused. */
  async analyse(text: string, types?: readonly number[], fresh = false): Promise<Analysis> {
    if (!fresh) this.#parts.transcript.asked();
    const settings = this.#settings ?? (await this.#ask());
    // In a failed transaction the target tells nothing, and runs nothing but its end, which needs no names.
    if (!settings && this.#status !== 'E') return unresolved(text);
    try {
      const analysis = await this.#analyser.analyse(
        text,
        { searchPath: settings?.searchPath ?? '', user: this.#parts.config.user },
        this.names.things(),
        { fresh, ...(types && { parameterTypes: types }) },
      );
      return this.#static(analysis);
    } catch (error) {
      this.#parts.deps.onFailure(error);
      return unresolved(text);
    }
  }

  /** Through the gate: judged, recorded, perhaps held, perhaps permitted. */
  async admit(
    analysis: Analysis,
    sent: Sent & { readonly exact: string; readonly types?: readonly number[] },
  ): Promise<Admission> {
    const { deps, facts, transcript } = this.#parts;
    const waiting = (this.#waiting = new Withdrawable());
    const settings = this.#settings;
    const moment = this.#moment(settings);
    // Before the gate asks for the rules: taken too early it refuses, taken too late it would let through.
    let { generation } = this;
    try {
      const asked = this.#looks.at(analysis, sent, moment);
      const admitted = await admit(deps, {
        session: facts,
        get exact() {
          return sent.exact;
        },
        look: asked,
        lookAgain: async () => {
          const look = await this.#again(sent);
          ({ generation } = this);
          return look;
        },
        context: {
          inTransaction: this.inTransaction,
          ...(settings?.reason !== undefined && { reason: settings.reason }),
          ...(settings?.purpose !== undefined && { purpose: settings.purpose }),
        },
        ...(this.inTransaction && { transactionSince: this.#since ?? Date.now() }),
        particulars: this.#particulars,
        unfit: (obligations) => unfit(analysis.parts, obligations),
        get signal() {
          return waiting.signal;
        },
        onHeld: (notice) => this.#held(notice),
        onQuestion: (notice) => this.#responses.inject(heldMessage(notice)),
        onHidden: (notice) => this.#hidden(notice),
        onJudged: (statement, verdict) => transcript.judged(statement, asked.masked, verdict),
      });
      if (admitted.kind === 'refuse') return { ok: false, refusal: admitted.refusal };
      const { permit } = admitted;
      transcript.permitted(permit.statement);
      const run = new Run(deps, facts, permit, admitted.request);
      if (waiting.why) {
        run.failed('57014');
        run.end();
        return { ok: false, refusal: withdrawn(waiting.why) };
      }
      const plans = this.#looks.plans(analysis, permit.obligations);
      const until = permit.obligations.fresh?.counted?.until;
      return { ok: true, permit, run, plans, generation, ...(until !== undefined && { until }) };
    } finally {
      this.#waiting = undefined;
      this.#holding = false;
    }
  }

  /** Ends what is being judged or waits now; false when there is nothing. */
  withdraw(why: Withdrawal): boolean {
    return this.#waiting?.withdraw(why) ?? false;
  }

  /** A statement is on its way to the target; what comes after it is judged as if it had succeeded. */
  sent(part: Part): void {
    this.names.expect(part);
    this.steps += 1;
    this.#since ??= Date.now();
    if (part.defines) this.#defined = true;
    const undoes = part.control !== undefined && this.#unsettled;
    if (sets(part)) this.#unsettled = true;
    if (sets(part) || undoes) this.#settings = undefined;
  }

  /** A Bind is on its way: planning it can run functions already. */
  bound(part: Part): void {
    if (part.effect.opaque !== true) return;
    this.steps += 1;
    this.#unsettled = true;
    this.#settings = undefined;
  }

  /** The target reported a setting: a trigger or a reload may have changed it, and others with it. */
  reported(): void {
    this.#settings = undefined;
  }

  /** The target has completed it. */
  completed(part: Part): void {
    this.names.completed(part);
    if (part.defines) this.#analyser.bumpEpoch();
  }

  ready(status: TransactionStatus): void {
    this.busy = false;
    this.pipeline = false;
    this.#status = status;
    this.names.settle();
    // COMMIT keeps what SET did and ends what SET LOCAL did; ROLLBACK undoes both: ask again.
    if (this.#unsettled) this.#settings = undefined;
    if (status === 'I') {
      this.#since = undefined;
      this.#unsettled = false;
      if (this.#defined) this.#analyser.bumpEpoch();
      this.#defined = false;
      this.names.transactionEnded();
    }
    if (this.#responses.outstanding === 0) this.#idle?.();
  }

  async #again(
    sent: Sent & { readonly exact: string; readonly types?: readonly number[] },
  ): Promise<Look> {
    const text = sent.prepared ?? sent.exact;
    // A reload of the target's configuration changes the settings of a session that only waits.
    this.#settings = undefined;
    const analysis = await this.analyse(text, sent.types, true);
    return this.#looks.at(analysis, sent, this.#moment(this.#settings));
  }

  #held(notice: HeldNotice): void {
    this.#holding = true;
    this.#responses.inject(heldMessage(notice));
    this.#onHeld?.();
  }

  /** Once a minute is enough: a program may send many such statements. */
  #hidden(notice: HeldNotice): void {
    const now = performance.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + QUIET_MS;
    this.#responses.inject(heldMessage(notice));
  }

  /** The settings as the target has them; asked only when something may have changed them. */
  async #ask(): Promise<SessionSettings | undefined> {
    if (this.#status === 'E') return undefined;
    const { deps, facts, target } = this.#parts;
    try {
      const permit = await admitOwn(deps, facts, SETTINGS_STATEMENT);
      const run = new Run(deps, facts, permit, undefined);
      this.#settings = await readSettings(target, this.#responses, run, this.pipeline);
    } catch (error) {
      deps.onFailure(error);
    }
    return this.#settings;
  }

  #moment(settings: SessionSettings | undefined): Moment {
    return { settings: settings?.meaning ?? '', named: this.names.bound() };
  }

  /** The analyser sees only what is committed. */
  #static(analysis: Analysis): Analysis {
    if (analysis.refused) return analysis;
    const first = analysis.parts.findIndex((part) => part.defines);
    const hidden =
      (this.#defined && analysis.parts.some(asks)) ||
      (first >= 0 && analysis.parts.slice(first + 1).some(asks));
    return hidden ? { ...analysis, refused: openDefinition } : analysis;
  }
}

/** Code that cannot be seen may have called set_config. */
const sets = (part: Part): boolean =>
  part.changesSettings || part.sets !== undefined || part.effect.opaque === true;
const asks = (part: Part): boolean => part.effect.accesses.length > 0;

const openDefinition: Refused = {
  rule: 'countersign/uncommitted-schema',
  message:
    'a schema change in this transaction is not committed yet, so what comes after it cannot be judged',
  hint: 'Commit the schema change, then send the rest.',
  code: '0A000',
};

const withdrawn = (why: Withdrawal): GateRefusal => ({
  code: 'withdrawn',
  message: `countersign: ${why.message}`,
  hint: 'Nothing was run. Send it again when you need it.',
});

/** A statement that nobody could look at. Its text is not shown to anybody either. */
function unresolved(text: string): Analysis {
  const length = Buffer.byteLength(text);
  return {
    parts: [],
    refused: {
      rule: 'countersign/not-resolved',
      message: 'the target cannot be asked what this statement would do, so it was not run',
      hint: 'Try again; if it lasts, ask the operator to run "countersign doctor".',
      code: '58000',
    },
    definitions: bind([text]).toString('hex'),
    meaning: nothingMeant,
    parameterTypes: [],
    masker: () => () => ({ text: `(${length} bytes, not analysed)`, hidesWrite: true, words: [] }),
  };
}
