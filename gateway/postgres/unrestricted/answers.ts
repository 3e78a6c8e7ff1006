import type { Duplex } from 'node:stream';
import type { NameChange } from '#src/statement/sql/glance.ts';
import {
  bodyOf,
  parseCommandComplete,
  parseError,
  parseReadyForQuery,
  parseRowDescription,
  ServerMessage as M,
  StreamFramer,
  type Field,
  type TransactionStatus,
} from '../codec.ts';
import { Fifo } from '../codec/fifo.ts';
import type { Piece } from '../masker.ts';
import type { Run } from '../recorder.ts';
import type { Recorded } from '../tape.ts';
import { ToClient, whole } from '../to-client.ts';
import type { Transcript } from '../transcript.ts';

/** One message that the target reads, and what its answer says of whom. */
export type Asked = {
  readonly kind:
    | 'query'
    | 'call'
    | 'parse'
    | 'bind'
    | 'describe'
    | 'execute'
    | 'close'
    | 'sync'
    | 'copy-end'
    | 'refusal';
  readonly run?: Run | undefined;
  /** Of a query: what its statements do to names, one after the other. */
  readonly names?: readonly (NameChange | undefined)[];
  /** Goes out in place of the target's error. */
  readonly instead?: Buffer;
  /** It has succeeded. */
  readonly done?: () => void;
  /** Of a describe: hears what the result is made of. */
  readonly hears?: (fields: readonly Field[]) => void;
  /** What may be recorded of its results, and what they are made of as far as that was described. */
  readonly recorded?: Recorded;
  readonly told?: () => readonly Field[] | undefined;
};

export type AnswersHooks = {
  changed(change: NameChange): void;
  ready(status: TransactionStatus): void;
  broken(error: unknown): void;
};

/** Messages that may wait for their answers; what is kept of each costs more than the message. */
const MOST = 16_384;
const LARGEST = 0x3fff_ffff;
/** What an answer of one message ends an asked one of that kind. */
const SIMPLE: ReadonlyMap<number, Asked['kind']> = new Map([
  [M.ParseComplete, 'parse'],
  [M.BindComplete, 'bind'],
  [M.CloseComplete, 'close'],
]);
/** Tags that begin and end an explicit transaction. */
const CONTROL: ReadonlyMap<string, boolean> = new Map([
  ['BEGIN', true],
  ['START TRANSACTION', true],
  ['COMMIT', false],
  ['ROLLBACK', false],
]);
const FINAL: ReadonlySet<Asked['kind']> = new Set(['query', 'call', 'sync']);

/**
 * The way back of an unrestricted session: every byte of the target goes out as it came. What was asked is followed
 * only to tell what became of each statement.
 */
export class Answers {
  readonly #client: ToClient;
  readonly #hooks: AnswersHooks;
  readonly #framer: StreamFramer;
  readonly #transcript: Transcript;
  /** Whose answer the transcript hears now. */
  #heard: Asked | undefined;
  readonly #queue = new Fifo<Asked>();
  /** How many of the queue end by themselves. */
  #finals = 0;
  readonly #runs = new Set<Run>();
  #result = 0;
  #status: TransactionStatus = 'I';
  /** A transaction was begun by a statement: an error does not undo what was answered before it began. */
  #explicit = false;
  /** An error came inside a pipeline: the target skips everything until Sync. */
  #skipping = false;
  /** The target reads COPY data now, and ignores Sync. */
  #copyIn = false;
  readonly #onRoom: (() => void)[] = [];
  #injected: Buffer[] = [];
  #pushing = false;

  constructor(client: Duplex, hooks: AnswersHooks, transcript: Transcript) {
    this.#transcript = transcript;
    this.#client = new ToClient(client);
    this.#hooks = hooks;
    this.#framer = new StreamFramer(
      {
        message: (type, buffer, start, end) => this.#message(type, { buffer, start, end }),
        run: (_type, buffer, start, end, begun) => this.#data({ buffer, start, end }, begun),
      },
      // Rows, COPY data, and the result of a function call: of any size, and never looked into.
      'DdV',
      LARGEST,
    );
  }

  get outstanding(): boolean {
    return this.#queue.length > 0;
  }
  /** Something runs that will come to an end by itself. */
  get running(): boolean {
    return this.#finals > 0;
  }
  get copyIn(): boolean {
    return this.#copyIn;
  }
  get status(): TransactionStatus {
    return this.#status;
  }

  /** Resolves when the target has caught up; undefined when it is not far behind. */
  room(): Promise<void> | undefined {
    if (this.#queue.length < MOST) return undefined;
    return new Promise((resolve) => this.#onRoom.push(resolve));
  }

  expect(asked: Asked): void {
    if (asked.kind === 'copy-end' && this.#copyIn) return void (this.#copyIn = false);
    if (asked.kind === 'sync') {
      if (this.#copyIn) return;
      this.#skipping = false;
    }
    if (asked.run) this.#runs.add(asked.run);
    if (this.#skipping) asked.run?.failed('skipped');
    else this.#push(asked);
  }

  #tellRoom(): void {
    for (const resolve of this.#onRoom.splice(0)) resolve();
  }

  #push(asked: Asked): void {
    if (FINAL.has(asked.kind)) this.#finals += 1;
    this.#queue.push(asked);
  }

  #shift(): Asked | undefined {
    const asked = this.#queue.shift();
    if (this.#queue.length === MOST / 2) this.#tellRoom();
    if (asked && FINAL.has(asked.kind)) this.#finals -= 1;
    return asked;
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
      this.#hooks.broken(error);
    } finally {
      if (!this.#framer.inside)
        for (const bytes of this.#injected.splice(0)) this.#client.put(whole(bytes));
      this.#pushing = false;
      this.#client.flush();
    }
    return this.#client.ready;
  }

  /** The target is gone: what was running may have taken effect. */
  lost(): void {
    this.#queue.drain();
    this.#finals = 0;
    this.#tellRoom();
    for (const run of this.#runs) run.unknown();
    this.#runs.clear();
  }

  /** What the target reads now: the end of a COPY that is over is ignored. */
  get #head(): Asked | undefined {
    while (this.#queue.first?.kind === 'copy-end') this.#queue.shift();
    return this.#queue.first;
  }

  #data(piece: Piece, begun: number): void {
    this.#hear();
    this.#transcript.data(piece, begun);
    this.#client.put(piece);
  }

  /** What comes now is about what the target reads now. */
  #hear(): void {
    const head = this.#head;
    if (head === this.#heard) return;
    this.#heard = head;
    this.#transcript.beginAs(head?.run, head?.recorded, head?.told?.());
  }

  #message(type: number, piece: Piece): void {
    const kind = SIMPLE.get(type);
    if (kind !== undefined) this.#answered(kind);
    else this.#told(type, piece);
    if (type !== M.ErrorResponse) this.#client.put(piece);
    if (type === M.ReadyForQuery) this.#ready(piece);
  }

  #told(type: number, piece: Piece): void {
    switch (type) {
      case M.CommandComplete:
        return this.#completed(piece);
      case M.EmptyQueryResponse:
      case M.PortalSuspended:
        return this.#completed(undefined);
      case M.RowDescription:
        this.#described(parseRowDescription(bodyOf(frame(piece))));
        return this.#answered('describe');
      case M.NoData:
        return this.#answered('describe');
      case M.NoticeResponse:
        this.#hear();
        return this.#transcript.said('notice', parseError(bodyOf(frame(piece))));
      case M.CopyInResponse:
      case M.CopyBothResponse:
        return this.#copying();
      case M.ErrorResponse:
        return this.#error(piece);
      default:
    }
  }

  #described(fields: readonly Field[]): void {
    const head = this.#head;
    if (head?.kind === 'describe') return head.hears?.(fields);
    this.#hear();
    this.#transcript.described(fields);
  }

  #answered(kind: Asked['kind']): void {
    if (this.#head?.kind !== kind) return;
    this.#shift()?.done?.();
  }

  #completed(piece: Piece | undefined): void {
    const head = this.#head;
    this.#copyIn = false;
    const change = head?.names?.[this.#result];
    if (change) this.#hooks.changed(change);
    this.#result += 1;
    if (piece) this.#tell(piece, head);
    if (head?.kind === 'execute') this.#answered('execute');
  }

  #tell(piece: Piece, head: Asked | undefined): void {
    const { tag, rows } = parseCommandComplete(bodyOf(frame(piece)));
    this.#explicit = CONTROL.get(tag) ?? this.#explicit;
    if (!head?.run) return;
    head.run.completed(tag, rows);
    this.#hear();
    this.#transcript.completed(tag, rows);
    // The next result of the same string is another one.
    this.#heard = undefined;
    // What an explicit transaction did is told as it was answered: a pipeline may be without end.
    if (this.#explicit && head.kind === 'execute') this.#end(head.run);
  }

  /** Sync and Flush that came before the end of the data are ignored by the target. */
  #copying(): void {
    const head = this.#head;
    this.#shift();
    const rest = this.#queue.drain();
    this.#finals = 0;
    const end = rest.findIndex(({ kind }) => kind === 'copy-end');
    this.#copyIn = end < 0;
    const ignored = end < 0 ? rest.length : end;
    const kept = rest.filter(({ kind }, at) => at > ignored || (kind !== 'sync' && at !== end));
    for (const asked of head ? [head, ...kept] : kept) this.#push(asked);
    if (this.#queue.length <= MOST / 2) this.#tellRoom();
  }

  #error(piece: Piece): void {
    const head = this.#head;
    const instead = head?.instead;
    this.#client.put(instead ? whole(instead) : piece);
    this.#copyIn = false;
    if (!head) return;
    const fields = parseError(bodyOf(frame(piece)));
    this.#hear();
    if (instead) this.#transcript.told(instead);
    else this.#transcript.said('error', fields);
    head.run?.failed(fields.get('C') ?? 'XX000');
    if (head.kind === 'query' || head.kind === 'call') return;
    // Outside an explicit transaction, one error undoes the whole pipeline up to it.
    if (!this.#explicit) for (const run of this.#runs) run.failed('rolled-back');
    if (head.kind !== 'sync') this.#skip();
  }

  #skip(): void {
    let head = this.#queue.first;
    for (; head && head.kind !== 'sync'; head = this.#queue.first)
      this.#shift()?.run?.failed('skipped');
    this.#skipping = head === undefined;
  }

  #end(run: Run): void {
    run.end();
    this.#runs.delete(run);
  }

  #ready(piece: Piece): void {
    this.#status = parseReadyForQuery(bodyOf(frame(piece)));
    // The client goes on while the outcome is written down.
    if (piece.end === piece.buffer.length) this.#client.flush();
    this.#explicit = this.#status !== 'I';
    let head: Asked | undefined;
    if (this.#finals > 0)
      do head = this.#shift();
      while (head && !FINAL.has(head.kind));
    this.#result = 0;
    this.#copyIn = false;
    for (const run of this.#runs)
      if (this.#status !== 'T' || run.answered || head?.run === run) {
        this.#end(run);
      }
    this.#hooks.ready(this.#status);
  }
}

const frame = (piece: Piece) => ({ ...piece, type: 0, first: true, last: true });
