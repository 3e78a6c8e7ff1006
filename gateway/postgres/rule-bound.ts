import type { Withdrawal } from '../gate/holds.ts';
import { bodyOf, bytesOf, ClientMessage as M, WHOLE_LIMIT, type Frame } from './codec.ts';
import type { ConversationParts } from './deps.ts';
import type { Engine, EngineHooks } from './engine.ts';
import { Extended } from './extended.ts';
import { Judge } from './judge.ts';
import { Limit } from './limit.ts';
import { Responses } from './responses.ts';
import { Simple } from './simple.ts';

const WHILE_BUSY: ReadonlySet<number> = new Set([M.CopyData, M.CopyDone, M.CopyFail, M.Terminate]);

/** Every statement is judged by what it would do, and every answer is counted against what was judged. */
export class RuleBound implements Engine {
  readonly native = false;
  readonly largest = WHOLE_LIMIT;
  readonly #parts: ConversationParts;
  readonly #responses: Responses;
  readonly #judge: Judge;
  readonly #simple: Simple;
  readonly #extended: Extended;
  readonly #limit: Limit;

  constructor(parts: ConversationParts, hooks: EngineHooks) {
    this.#parts = parts;
    const { client, target, deps } = parts;
    this.#responses = new Responses(
      client.socket,
      {
        completed: (plan) => this.#judge.completed(plan.part),
        failing: () => this.#extended.failing(),
        ready: (status) => {
          this.#extended.ready();
          this.#limit.ready();
          this.#judge.ready(status);
          hooks.ready();
        },
        reported: () => this.#judge.reported(),
        reopened: () => {
          this.#judge.busy = false;
          hooks.pump();
        },
        exceeded: () => this.#limit.exceeded(),
        cancel: () => this.#limit.cancelling(hooks.cancel()),
        broken: (error) => hooks.broken(error),
      },
      { key: deps.maskKey, tally: deps.telemetry.metrics.target(parts.facts.target.name) },
      parts.transcript,
    );
    this.#judge = new Judge(parts, this.#responses);
    this.#judge.whenHeld(() => hooks.held());
    this.#limit = new Limit(parts, this.#responses, this.#judge, hooks);
    this.#simple = new Simple(this.#judge, this.#responses, target, this.#limit);
    this.#extended = new Extended(this.#judge, this.#responses, target, this.#limit);
  }

  get holding(): boolean {
    return this.#judge.holding;
  }
  get outstanding(): boolean {
    return this.#responses.outstanding > 0;
  }
  get idle(): boolean {
    return this.#judge.idle;
  }
  get quiet(): boolean {
    return !this.outstanding;
  }
  get unfinished(): boolean {
    return this.#judge.pipeline;
  }
  /** Without a Sync nothing of a pipeline can be completed: the target rolls it back as soon as we leave. */
  get nothingToCome(): boolean {
    return !this.outstanding || (this.#judge.pipeline && !this.#judge.busy);
  }

  handle(frame: Frame): Promise<void> | void {
    if (this.#limit.drops(frame.type)) return undefined;
    switch (frame.type) {
      case M.Query:
        return this.#extended.skipping ? undefined : this.#simple.query(frame);
      case M.FunctionCall:
        return this.#extended.skipping ? undefined : this.#simple.functionCall();
      case M.CopyData:
      case M.CopyDone:
      case M.CopyFail:
        this.#copy(frame);
        if (frame.type !== M.CopyData) this.#limit.copied();
        return undefined;
      default:
        return this.#extended.handle(frame.type, bodyOf(frame), bytesOf(frame));
    }
  }

  #copy(frame: Frame): void {
    if (this.#extended.skipping) return;
    const { target, transcript } = this.#parts;
    target.prepare(bytesOf(frame));
    if (frame.type === M.CopyData) transcript.sent(bytesOf(frame));
    else transcript.sentAll();
  }

  waits(frame: Frame): boolean {
    const busy = this.#judge.busy && !WHILE_BUSY.has(frame.type);
    return busy || this.#limit.waits(frame.type);
  }
  sent(): void {
    // Each message is handled to its end before the next one.
  }
  push(chunk: Buffer): boolean {
    return this.#responses.push(chunk);
  }
  inject(bytes: Buffer): void {
    this.#responses.inject(bytes);
  }
  lost(): void {
    this.#responses.lost();
  }
  withdraw(why: Withdrawal): boolean {
    return this.#judge.withdraw(why);
  }
  whenIdle(listener: () => void): void {
    this.#judge.whenIdle(listener);
  }
}
