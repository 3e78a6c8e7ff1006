import type { Analysis } from '#src/statement/sql/analysis.ts';
import type { GateRefusal } from '../gate/gate.ts';
import {
  bodyOf,
  bytesOf,
  emptyQueryResponse,
  parseQuery,
  readyForQuery,
  sync,
  ProtocolViolation,
  type Frame,
} from './codec.ts';
import type { Judge } from './judge.ts';
import type { Limit } from './limit.ts';
import { errorMessage, refusalMessage } from './refusal.ts';
import type { Responses } from './responses.ts';
import type { TargetConnection } from './target.ts';

const ABORTED = errorMessage('25P02', {
  message: 'current transaction is aborted, commands ignored until end of transaction block',
});

/** The simple query protocol: one string, judged and run as one unit. */
export class Simple {
  readonly #judge: Judge;
  readonly #responses: Responses;
  readonly #target: TargetConnection;
  readonly #limit: Limit;

  constructor(judge: Judge, responses: Responses, target: TargetConnection, limit: Limit) {
    this.#limit = limit;
    this.#judge = judge;
    this.#responses = responses;
    this.#target = target;
  }

  async query(frame: Frame): Promise<void> {
    const text = this.#text(frame);
    if (text === undefined) return;
    // The frame is a view of a chunk that may be large; what waits for approval keeps only itself.
    const bytes = bytesOf(frame);
    const analysis = await this.#judge.analyse(text);
    if (analysis.parts.length === 0 && !analysis.refused) return this.#answer(emptyQueryResponse());
    if (this.#judge.status === 'E' && !endsTransaction(analysis)) return this.#answer(ABORTED);
    const admission = await this.#judge.admit(analysis, { exact: text, bytes });
    if (!admission.ok) return this.#answer(refusalMessage(admission.refusal), true);
    const { run, plans } = admission;
    const begins = this.#limit.begins(plans);
    if (begins && this.#judge.pipeline) {
      run.failed('0A000');
      run.end();
      return this.#answer(refusalMessage(behindPipeline), true);
    }
    try {
      if (begins) await this.#limit.begin();
      this.#target.run(admission.permit, bytes);
    } catch (error) {
      run.failed('08006');
      run.end();
      throw error;
    }
    this.#judge.busy = true;
    for (const part of analysis.parts) this.#judge.sent(part);
    this.#responses.expect({ kind: 'query', run, plans, ...this.#limit.ofQuery(plans, begins) });
  }

  #text(frame: Frame): string | undefined {
    try {
      return parseQuery(bodyOf(frame));
    } catch (error) {
      if (!(error instanceof ProtocolViolation) || error.fatal) throw error;
      this.#answer(errorMessage(error.sqlstate, { message: error.message }));
      return undefined;
    }
  }

  /** The fast-path call names a function by its number and says nothing else that could be judged. */
  functionCall(): Promise<void> | void {
    const refusal: GateRefusal = {
      code: 'refused',
      message: 'countersign: the function call message is not supported',
      detail: 'Refused by rule countersign/function-call.',
      hint: 'Call the function in a SELECT.',
    };
    return this.#answer(refusalMessage(refusal), true);
  }

  /** An answer of our own. A refusal inside a transaction fails the target's transaction as any error does. */
  #answer(bytes: Buffer, fails = false): void {
    if (!this.#judge.pipeline && (!fails || this.#judge.status !== 'T')) {
      this.#responses.inject(Buffer.concat([bytes, readyForQuery(this.#judge.status)]));
      return;
    }
    this.#judge.busy = true;
    if (fails) {
      this.#responses.expect({ kind: 'refusal', instead: bytes });
      this.#target.fail();
    } else this.#responses.inject(bytes);
    this.#responses.expect({ kind: 'sync' });
    this.#target.prepare(sync());
  }
}

/** Whether that pipeline has begun a transaction is not known yet. */
const behindPipeline: GateRefusal = {
  code: 'refused',
  message:
    'countersign: a rule limits the rows of this, and it came behind a pipeline without Sync',
  detail: 'Refused by rule countersign/limited-control.',
  hint: 'Send Sync first.',
};

function endsTransaction(analysis: Analysis): boolean {
  const control = analysis.parts[0]?.control;
  return control !== undefined && control !== 'begin' && control !== 'savepoint';
}
