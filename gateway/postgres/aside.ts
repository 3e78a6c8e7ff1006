import type { TargetConfig } from '#src/config/config.ts';
import type { Permit } from '../gate/permit.ts';
import {
  StreamFramer,
  ServerMessage as S,
  parseCommandComplete,
  parseDataRow,
  parseError,
} from './codec.ts';
import type { Run } from './recorder.ts';
import { openTarget, type TargetConnection } from './target.ts';

const HEADER = 5;

export type AsideAnswer = {
  readonly rows: readonly (readonly (Buffer | null)[])[];
  /** SQLSTATE, when it failed. */
  readonly code?: string;
};

type Waiting = {
  readonly run: Run;
  readonly rows: (Buffer | null)[][];
  readonly resolve: (answer: AsideAnswer) => void;
  readonly reject: (error: Error) => void;
  code?: string;
};

/** A session on the target beside a person's own, for the gateway's few queries; each takes a permit like any other. */
export class Aside {
  readonly #target: TargetConnection;
  #waiting: Waiting | undefined;

  private constructor(target: TargetConnection) {
    this.#target = target;
    const framer = new StreamFramer(
      {
        message: (type, buffer, start, end) =>
          this.#heard(type, buffer.subarray(start + HEADER, end)),
        run: () => undefined,
      },
      '',
    );
    target.onData((chunk) => {
      try {
        framer.push(chunk);
      } catch {
        target.destroy();
      }
    });
    target.onClose(() => this.#broken());
    target.resume();
  }

  static async open(
    config: TargetConfig,
    database: string,
    parameters: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): Promise<Aside> {
    const target = await openTarget(config, database, parameters, signal);
    signal.addEventListener('abort', () => target.destroy());
    return new Aside(target);
  }

  /** One statement at a time: `bytes` end with a Query or a Sync. Rejects when the connection breaks. */
  ask(permit: Permit, run: Run, bytes: Buffer): Promise<AsideAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { run, rows: [], resolve, reject };
      try {
        this.#target.run(permit, bytes);
      } catch {
        this.#broken();
      }
    });
  }

  end(): void {
    this.#target.end();
  }

  #heard(type: number, body: Buffer): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    switch (type) {
      case S.DataRow:
        waiting.rows.push(parseDataRow(Buffer.from(body)));
        break;
      case S.CommandComplete: {
        const { tag, rows } = parseCommandComplete(body);
        waiting.run.completed(tag, rows);
        break;
      }
      case S.ErrorResponse:
        // Its text may hold values; only the code is kept.
        waiting.code ??= parseError(body).get('C') ?? 'XX000';
        break;
      case S.ReadyForQuery:
        this.#done(waiting);
        break;
      default:
    }
  }

  #done(waiting: Waiting): void {
    this.#waiting = undefined;
    const { run, rows, code, resolve } = waiting;
    if (code !== undefined) run.failed(code);
    run.end();
    resolve({ rows, ...(code !== undefined && { code }) });
  }

  #broken(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.run.unknown();
    waiting?.reject(new Error('the connection to the target broke'));
  }
}
