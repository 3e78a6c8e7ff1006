import type { Duplex } from 'node:stream';
import {
  parseCommandComplete,
  parseError,
  parseReadyForQuery,
  ServerMessage as M,
  StreamFramer,
  type ErrorFields,
  type TransactionStatus,
} from './codec.ts';
import { Counts } from './counts.ts';
import {
  described,
  ends,
  type Expected,
  overLimit,
  owes,
  insteadOf,
  type ResponsesHooks,
  speaksLater,
  unasked,
  withheld,
  bodyIn,
  hasResult,
  isCopyOf,
  rowMode,
  takeSync,
} from './expected.ts';
import type { Masking, Piece } from './masker.ts';
import { isFollowed, type ResultPlan } from './plan.ts';
import type { Run } from './recorder.ts';
import { Rows } from './rows.ts';
import { Runs } from './runs.ts';
import { ToClient, whole } from './to-client.ts';
import type { Transcript } from './transcript.ts';

/** The way back: the target's bytes to the client, masked, each answer counted against what was asked. */
export class Responses {
  readonly #client: ToClient;
  readonly #hooks: ResponsesHooks;
  readonly #rows: Rows;
  readonly #framer: StreamFramer;
  readonly #transcript: Transcript;
  #queue: Expected[] = [];
  readonly #runs = new Runs();
  /** Which result of the head's plans comes now. */
  #result = 0;
  readonly #counts = new Counts();
  #failed = false;
  /** After an error of our own that the target does not know of: nothing goes out until it is ready. */
  #mute = false;
  #status: TransactionStatus = 'I';
  /** Something of this transaction may leave a value for later: deferred triggers speak at its end. */
  #tainted = false;
  #injected: Buffer[] = [];
  #pushing = false;

  constructor(client: Duplex, hooks: ResponsesHooks, masking: Masking, transcript: Transcript) {
    this.#transcript = transcript;
    this.#client = new ToClient(client);
    this.#hooks = hooks;
    this.#rows = new Rows(masking, this.#counts, () => hooks.cancel());
    this.#framer = new StreamFramer(
      {
        message: (type, buffer, start, end) => this.#message(type, { buffer, start, end }),
        run: (type, buffer, start, end, begun) =>
          this.#streamed(type, { buffer, start, end }, begun),
      },
      'd',
    );
  }

  get outstanding(): number {
    return this.#queue.length;
  }

  expect(expected: Expected): void {
    this.#runs.add(expected.run);
    this.#queue.push(expected);
    if (this.#queue.length === 1) this.#begin();
  }

  /** It belongs to what was expected already. */
  began(run: Run): void {
    this.#runs.add(run);
  }

  /** Bytes of our own, at the next border between messages. */
  inject(bytes: Buffer): void {
    this.#transcript.told(bytes);
    if (this.#framer.inside) this.#injected.push(bytes);
    else {
      this.#client.put(whole(bytes));
      if (!this.#pushing) this.#client.flush();
    }
  }

  /** Bytes from the target. False when the client cannot take more now. */
  push(chunk: Buffer): boolean {
    this.#pushing = true;
    try {
      this.#framer.push(chunk);
    } catch (error) {
      this.#hooks.broken(error instanceof Error ? error : new Error(String(error)));
    } finally {
      if (!this.#framer.inside)
        for (const bytes of this.#injected.splice(0)) this.#client.put(whole(bytes));
      this.#pushing = false;
      if (this.#client.flush()) this.#rows.gone();
    }
    return this.#client.ready;
  }

  /** The target is gone: what was running may have taken effect. */
  lost(): void {
    for (const expected of this.#queue.splice(0)) expected.failed?.();
    this.#runs.lost();
  }

  get #plan(): ResultPlan | undefined {
    return this.#queue[0]?.plans?.[this.#result];
  }

  /** May the text of an error or notice that comes now quote a value that some rule hides? */
  get #withholds(): boolean {
    if (this.#plan?.withhold) return true;
    return this.#tainted && speaksLater(this.#plan?.part, this.#queue[0]?.kind);
  }

  #begin(): void {
    this.#result = 0;
    this.#failed = false;
    this.#nextResult();
    const head = this.#queue[0];
    if (head?.kind === 'execute' && this.#plan?.masks) {
      const fields = head.fields?.();
      if (fields) this.#rows.described(fields);
    }
  }

  #nextResult(): void {
    const plan = this.#plan;
    const head = this.#queue[0];
    this.#rows.begin(head, plan);
    this.#transcript.begin(head?.run, hasResult(head) ? plan : undefined, head?.told?.());
    this.#framer.take('D', rowMode(head, plan));
    this.#framer.take('d', plan && isFollowed(plan) ? 'whole' : 'streamed');
  }

  #message(type: number, piece: Piece): void {
    switch (type) {
      case M.ParameterStatus:
        this.#hooks.reported();
        return this.#pass(piece);
      case M.NotificationResponse:
        return this.#pass(piece);
      case M.NoticeResponse:
        return this.#notice(piece);
      case M.ErrorResponse:
        return this.#error(piece);
      case M.ReadyForQuery:
        return this.#ready(piece);
      default:
        return this.#answer(type, piece);
    }
  }

  #notice(piece: Piece): void {
    const fields = parseError(bodyIn(piece));
    if (this.#withholds) return this.#write(withheld(fields, 'notice'));
    this.#transcript.said('notice', fields);
    this.#pass(piece);
  }

  #answer(type: number, piece: Piece): void {
    const head = this.#queue[0];
    if (!head || !owes(head.kind, type)) throw unasked(`message ${String.fromCharCode(type)}`);
    head.see?.(type, bodyIn(piece));
    if (type === M.DataRow) return this.#dataRows(head, piece);
    if (type === M.CopyData) return this.#rows.copied(piece, (out) => this.#data(out));
    if (type === M.CommandComplete || type === M.EmptyQueryResponse)
      return this.#completed(head, type, piece);
    this.#announced(head, type, piece);
  }

  #announced(head: Expected, type: number, piece: Piece): void {
    const plan = this.#plan;
    if (type === M.PortalSuspended && plan && this.#counts.over)
      this.#exceeded(head, overLimit(plan));
    if (type === M.RowDescription) this.#described(piece);
    else this.#copying(type);
    if (type === M.CopyDone && !this.#rows.copyEnds()) return;
    if (!head.quiet) this.#pass(piece);
    if (ends(head, type)) this.#shift(head);
  }

  #described(piece: Piece): void {
    const plan = this.#plan;
    if (!plan) return;
    const fields = described(plan, bodyIn(piece));
    this.#rows.described(fields);
    this.#transcript.described(fields);
  }

  #copying(type: number): void {
    if (!isCopyOf(this.#plan, type)) throw unasked('a COPY');
    if (type === M.CopyInResponse && takeSync(this.#queue)) this.#hooks.reopened();
    if (type === M.CopyOutResponse) this.#rows.copyBegins();
  }

  /** As many as came at once. */
  #dataRows(head: Expected, piece: Piece): void {
    if (head.quiet) return;
    const out = this.#rows.dataRows(piece);
    if (out) this.#data(out);
  }

  #streamed(type: number, piece: Piece, begun: number): void {
    const head = this.#queue[0];
    if (!head || (type === M.CopyData && this.#plan?.part.copy !== 'out')) throw unasked('data');
    this.#data(piece, begun);
  }

  #completed(head: Expected, type: number, piece: Piece): void {
    const plan = this.#plan;
    const over = this.#counted(head, type, piece);
    if (plan?.withhold) this.#tainted = true;
    if (plan) this.#hooks.completed(plan);
    if (over) this.#exceeded(head, over);
    else this.#tell(head, piece);
    if (ends(head, type)) this.#shift(head);
    else {
      this.#result += 1;
      this.#nextResult();
    }
  }

  /** A limit that the target does not know of: the client hears an error, and then nothing until it is ready. */
  #exceeded(head: Expected, error: Buffer): void {
    head.run?.failed('54000');
    this.#write(error);
    this.#mute = true;
    if (head.kind !== 'execute') return;
    this.#hooks.exceeded();
    this.#hooks.failing();
  }

  /** The error to say in place of what is complete, when it went beyond a limit. */
  #counted(head: Expected, type: number, piece: Piece): Buffer | undefined {
    if (type !== M.CommandComplete) return undefined;
    const { tag, rows } = parseCommandComplete(bodyIn(piece));
    head.run?.completed(tag, rows);
    if (!this.#mute && !head.quiet) this.#transcript.completed(tag, rows);
    return this.#counts.completed(rows);
  }

  /** The client's CommandComplete: at once, later, or of what it asked for in place of our own. */
  #tell(head: Expected, piece: Piece): void {
    if (head.answer) this.#write(head.answer);
    else if (head.keepTag && this.#result + 1 === head.plans?.length)
      head.keepTag(Buffer.from(piece.buffer.subarray(piece.start, piece.end)));
    else if (!head.quiet) this.#pass(piece);
  }

  #error(piece: Piece): void {
    const fields = parseError(bodyIn(piece));
    const head = this.#queue[0];
    const limited = this.#counts.over;
    this.#tellError(piece, fields);
    if (!head) return;
    const code = limited ? '54000' : (fields.get('C') ?? 'XX000');
    this.#failed = true;
    head.run?.failed(code);
    if (head.kind === 'query') {
      if (head.readies) this.#rolledBack(code, true);
      return;
    }
    this.#rolledBack(head.kind === 'sync' ? code : 'rolled-back');
    if (head.kind === 'sync') return;
    head.failed?.();
    this.#skipToSync();
    this.#hooks.failing();
  }

  #tellError(piece: Piece, fields: ErrorFields): void {
    const over = this.#counts.over && this.#plan ? overLimit(this.#plan) : undefined;
    const instead = over ?? insteadOf(this.#queue[0], fields, () => this.#withholds);
    if (instead === 'nothing') return;
    if (instead) return this.#write(instead);
    this.#transcript.said('error', fields);
    this.#pass(piece);
  }

  /** Outside an explicit transaction, one error undoes the whole pipeline up to it. */
  #rolledBack(code: string, all = this.#status === 'I'): void {
    if (all) this.#runs.failed(code);
  }

  #skipToSync(): void {
    const [, ...rest] = this.#queue;
    const at = rest.findIndex((expected) => expected.kind === 'sync');
    const skipped = at < 0 ? rest : rest.slice(0, at);
    this.#queue = at < 0 ? [] : rest.slice(at);
    for (const expected of skipped) {
      expected.failed?.();
      expected.run?.failed('skipped');
    }
    this.#begin();
  }

  #ready(piece: Piece): void {
    const head = this.#queue[0];
    if (!head || !ends(head, M.ReadyForQuery)) throw unasked('ReadyForQuery');
    this.#status = parseReadyForQuery(bodyIn(piece));
    if (head.settle?.(this.#status, this.#mute)) return this.#shift(head);
    this.#mute = false;
    if (this.#status === 'I') this.#tainted = false;
    if (!head.quiet || head.readies) this.#pass(piece);
    // The client goes on while the outcome is written down.
    if (piece.end === piece.buffer.length) this.#client.flush();
    this.#runs.end(this.#status, head.run);
    this.#shift(head);
    this.#hooks.ready(this.#status);
  }

  #shift(head: Expected): void {
    const failed = this.#failed;
    this.#queue.shift();
    this.#begin();
    if (failed) head.failed?.();
    else head.done?.();
  }

  #pass(piece: Piece): void {
    if (!this.#mute) this.#client.put(piece);
  }

  /** Before it goes out: its bytes may be used again after that. */
  #data(piece: Piece, begun?: number): void {
    if (this.#mute) return;
    this.#transcript.data(piece, begun);
    this.#client.put(piece);
  }

  #write(bytes: Buffer): void {
    if (!this.#mute) this.#transcript.told(bytes);
    this.#pass(whole(bytes));
  }
}
