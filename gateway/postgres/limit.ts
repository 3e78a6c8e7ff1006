import { admitOwn } from '../gate/gate.ts';
import { ClientMessage as M, flush, query, ServerMessage, sync } from './codec.ts';
import type { ConversationParts } from './deps.ts';
import type { Expected } from './expected.ts';
import type { Judge } from './judge.ts';
import { isUndone, type ResultPlan } from './plan.ts';
import { Run } from './recorder.ts';
import type { Responses } from './responses.ts';

const GOES_ON: ReadonlySet<number> = new Set([
  M.CopyData,
  M.CopyDone,
  M.CopyFail,
  M.Flush,
  M.Terminate,
]);

/**
 * Limits on rows are known to hold only when the target has said how many rows there were, and then the statement must
 * still be one that can be undone. A simple query outside a transaction therefore runs inside one of the gateway's own;
 * in a pipeline nothing is sent behind such a statement, least of all Sync, before its tag has come.
 */
export class Limit {
  readonly #parts: ConversationParts;
  readonly #responses: Responses;
  readonly #judge: Judge;
  readonly #pump: () => void;
  readonly #broken: (error: unknown) => void;
  /** Statements of the pipeline whose tag has not come yet. */
  #open = 0;
  #flushed = false;
  /** The target waits for COPY data. */
  #copying = false;
  /** The client has said that there is no more of it. */
  #copied = false;
  #cancelled: Promise<void> | undefined;

  constructor(
    parts: ConversationParts,
    responses: Responses,
    judge: Judge,
    hooks: { readonly pump: () => void; readonly broken: (error: unknown) => void },
  ) {
    this.#parts = parts;
    this.#responses = responses;
    this.#judge = judge;
    this.#pump = hooks.pump;
    this.#broken = hooks.broken;
  }

  /** A row too many came, and what runs is being cancelled: nothing else may be hit by that. */
  cancelling(cancelled: Promise<void>): void {
    this.#cancelled = cancelled;
  }

  /** Must a simple query run inside a transaction of the gateway's own? */
  begins(plans: readonly ResultPlan[]): boolean {
    return this.#judge.status === 'I' && plans.some(isUndone);
  }

  /** Begins that transaction; rejects when the target does not. */
  async begin(): Promise<void> {
    const run = await this.#own('BEGIN');
    return await new Promise((resolve, reject) => {
      const failed = (): void => reject(new Error('the target began no transaction'));
      this.#responses.expect({ kind: 'query', quiet: true, run, done: resolve, failed });
      this.#parts.target.run(run.permit, query('BEGIN'));
    });
  }

  /** What is expected of a simple query with these limits. */
  ofQuery(plans: readonly ResultPlan[], begun: boolean): Partial<Expected> | undefined {
    if (begun) {
      let tag: Buffer | undefined;
      return {
        keepTag: (bytes) => {
          tag = bytes;
        },
        settle: (status, over) => this.#end(status === 'T' && !over ? tag : undefined, plans),
      };
    }
    if (!plans.some(isLimited)) return undefined;
    return { settle: (status, over) => status === 'T' && over && this.#failQuery() };
  }

  /** What is expected of an Execute with these limits. */
  ofExecute(plans: readonly ResultPlan[]): Partial<Expected> | undefined {
    if (!plans.some(isLimited)) return undefined;
    this.#open += 1;
    this.#copied = false;
    const answered = (): void => this.#answered();
    return {
      done: answered,
      failed: answered,
      see: (type) => {
        if (type !== ServerMessage.CopyInResponse || this.#copied) return;
        this.#copying = true;
        queueMicrotask(this.#pump);
      },
    };
  }

  /** Must this message wait until the tag of a limited statement has come? */
  waits(type: number): boolean {
    if (this.#open === 0 || this.#copying || GOES_ON.has(type)) return false;
    // The target keeps its answers back until it is asked for them.
    if (!this.#flushed) this.#parts.target.prepare(flush());
    this.#flushed = true;
    return true;
  }

  /** A target that waits for COPY data ignores Sync, so it is not sent. */
  drops(type: number): boolean {
    return this.#copying && type === M.Sync;
  }

  copied(): void {
    this.#copied = true;
    this.#copying = false;
    // While it waited for data it did not listen to Flush.
    this.#flushed = false;
  }

  /** A limited statement of the pipeline went too far: the target must fail too, before it is asked to commit. */
  exceeded(): void {
    if (this.#judge.busy) return;
    this.#responses.expect({ kind: 'refusal', quiet: true });
    this.#parts.target.fail();
  }

  ready(): void {
    this.#open = 0;
    this.#flushed = false;
    this.#copying = false;
  }

  #answered(): void {
    this.#open = Math.max(0, this.#open - 1);
    this.#flushed = false;
    this.#copying = false;
    // Not inside of what is being read from the target.
    if (this.#open === 0) queueMicrotask(this.#pump);
  }

  async #own(text: string): Promise<Run> {
    const { deps, facts } = this.#parts;
    return new Run(deps, facts, await admitOwn(deps, facts, text), undefined);
  }

  /** COMMIT with the tag that the client waits for, or ROLLBACK. Always true: the client's ReadyForQuery comes later. */
  #end(tag: Buffer | undefined, plans: readonly ResultPlan[]): true {
    this.#responses.expect({
      kind: 'query',
      quiet: true,
      readies: true,
      ...(tag && { loud: true, answer: tag }),
      plans: [ofCommit(plans)],
      // A cancel that came too late may have hit the ROLLBACK.
      settle: (status) => status !== 'I' && this.#end(undefined, plans),
    });
    const sending = async (): Promise<void> => {
      await this.#cancelled;
      const text = tag ? 'COMMIT' : 'ROLLBACK';
      const run = await this.#own(text);
      this.#responses.began(run);
      this.#parts.target.run(run.permit, query(text));
    };
    sending().catch(this.#broken);
    return true;
  }

  #failQuery(): true {
    this.#responses.expect({ kind: 'refusal', quiet: true });
    this.#responses.expect({ kind: 'sync' });
    const sending = async (): Promise<void> => {
      await this.#cancelled;
      this.#parts.target.fail();
      this.#parts.target.prepare(sync());
    };
    sending().catch(this.#broken);
    return true;
  }
}

const isLimited = (plan: ResultPlan): boolean =>
  plan.rowLimit !== undefined || plan.changeLimit !== undefined;

const commit: ResultPlan['part'] = {
  text: 'COMMIT',
  class: 'transaction',
  effect: { class: 'transaction', accesses: [], columns: [], bounded: true, words: 'commits' },
  control: 'commit',
  changesSettings: false,
  defines: false,
  returnsRows: false,
  touchesRuled: () => false,
};

/** Deferred triggers speak at the end, and may quote what the statement wrote. */
const ofCommit = (plans: readonly ResultPlan[]): ResultPlan => ({
  part: commit,
  masks: undefined,
  withhold: plans.some(({ withhold }) => withhold),
  rowLimit: undefined,
  changeLimit: undefined,
  limitedBy: [],
  recording: undefined,
  hidden: undefined,
});
