import { Withdrawal } from '../gate/holds.ts';
import { ClientMessage as M, Framer, ProtocolViolation, type Frame } from './codec.ts';
import type { ConversationParts } from './deps.ts';
import { STOPPING, type Ending } from './endings.ts';
import type { Engine, EngineHooks } from './engine.ts';
import { fatalMessage } from './refusal.ts';

/** What a client may send while a hold waits; beyond it, the hold ends. */
const WHILE_HOLDING = 1024 * 1024;
/** Beyond this the client is not read while something else is being done. */
const AHEAD = 1024 * 1024;
/** How long what runs may go on, so that its outcome is known, after the client has gone. */
const LINGER_MS = 10_000;
/** How long what runs may take to end once the right to it is gone. */
const REVOKE_MS = 3_000;

/**
 * One client and one target, message by message and strictly in order: what a message means depends on what the ones
 * before it did. Two things go on beside: answers flow back, and the client is read, so that it can cancel or go away.
 */
export class Conversation {
  readonly #parts: ConversationParts;
  readonly #framer: Framer;
  readonly #engine: Engine;
  #parked: Frame | undefined;
  #pumping = false;
  #closed = false;
  #stopping = false;
  #ending = STOPPING;
  #cancelling: Promise<void> | undefined;
  #finish: () => void = () => undefined;

  constructor(
    parts: ConversationParts,
    makeEngine: (parts: ConversationParts, hooks: EngineHooks) => Engine,
  ) {
    this.#parts = parts;
    this.#engine = makeEngine(parts, {
      ready: () => this.#ready(),
      pump: () => void this.#pump(),
      held: () => this.#readOn(),
      cancel: () => this.#cancelTarget(),
      retire: (why) => this.retire(why),
      broken: (error) => this.#broken(error),
    });
    this.#framer = new Framer(this.#engine.largest);
  }

  /** Resolves when it is over, however it ends. */
  talk(greeting: Buffer): Promise<void> {
    const { client, target } = this.#parts;
    const { socket } = client;
    const over = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    target.onData((chunk) => {
      if (!this.#engine.push(chunk) && !socket.destroyed) target.pause();
    });
    target.onClose(() => this.#targetGone());
    socket.on('drain', () => target.resume());
    socket.on('data', (chunk: Buffer) => this.#heard(chunk));
    socket.on('end', () => this.#clientGone());
    socket.on('close', () => this.#clientGone());
    socket.on('error', () => this.#clientGone());
    target.onDrain(() => this.#flow());
    target.resume();
    socket.write(greeting);
    if (client.head.length > 0) this.#heard(client.head);
    socket.resume();
    if (socket.destroyed) this.#clientGone();
    return over;
  }

  /** The client's CancelRequest: a hold is withdrawn; what runs is cancelled on the target. */
  async cancel(): Promise<void> {
    if (
      this.#engine.withdraw(
        new Withdrawal('withdrawn', 'the request was withdrawn by a cancel request'),
      )
    )
      return;
    if (this.#engine.outstanding) void this.#cancelTarget();
    await this.#cancelling;
  }

  /** No new statement; a hold ends as abandoned; what runs may end. */
  stop(): void {
    this.#stopping = true;
    this.#engine.withdraw(new Withdrawal('abandoned', `${this.#ending.why}; nothing was run`));
    if (this.#engine.quiet && !this.#pumping) this.#goodbye();
  }

  /** As stop: what runs may end, but the session may not go on. */
  retire(why: string): void {
    if (this.#closed || this.#stopping) return;
    this.#ending = { ...STOPPING, why };
    this.stop();
  }

  /** As stop, and what runs is cancelled: the right to be here was taken away. */
  revoke(ending: Ending): void {
    if (this.#closed || this.#stopping) return;
    this.#ending = ending;
    this.stop();
    if (this.#closed || ending.finish) return;
    void this.#cancelTarget();
    // A target that does not heed the cancel, or a client that does not read, ends no later.
    const timer = setTimeout(() => {
      this.#parts.target.destroy();
      this.destroy();
    }, REVOKE_MS);
    this.#parts.target.onClose(() => clearTimeout(timer));
  }

  destroy(): void {
    this.#parts.client.socket.destroy();
    this.#end();
  }

  #heard(chunk: Buffer): void {
    this.#framer.push(chunk);
    if (this.#engine.holding) this.#readOn();
    // The pump looks at it only when it rests, which may be long after.
    else if (this.#pumping) this.#flow();
    void this.#pump();
  }

  /** While a statement waits the client is read, whatever it had sent before: else it could go away unseen. */
  #readOn(): void {
    if (this.#framer.pending > WHILE_HOLDING)
      this.#engine.withdraw(
        new Withdrawal('withdrawn', 'more than 1 MiB was sent behind the statement that waits'),
      );
    else this.#parts.client.socket.resume();
  }

  async #pump(): Promise<void> {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    try {
      for (let frame = this.#take(); frame; frame = this.#take()) {
        // A cancel that is on its way must not hit a later statement.
        if (this.#cancelling) await this.#cancelling;
        // Most messages wait for nothing.
        const handling = this.#handle(frame);
        if (handling) await handling;
      }
    } catch (error) {
      this.#broken(error);
    } finally {
      this.#pumping = false;
      if (this.#closed && this.#engine.nothingToCome) this.#end();
      else if (this.#stopping && this.#engine.idle) this.#goodbye();
      this.#flow();
    }
  }

  /** The next message that may be handled now; one that must wait is kept. */
  #take(): Frame | undefined {
    if (this.#closed || (this.#stopping && !this.#engine.unfinished)) return undefined;
    const frame = this.#parked ?? this.#framer.next();
    const wait = frame && this.#engine.waits(frame);
    this.#parked = wait ? frame : undefined;
    return wait ? undefined : frame;
  }

  #flow(): void {
    const { socket } = this.#parts.client;
    if (this.#closed) return;
    const behind = (this.#pumping || this.#parked) && this.#framer.pending > AHEAD;
    if ((behind || this.#parts.target.congested) && !this.#engine.holding) socket.pause();
    else socket.resume();
  }

  #handle(frame: Frame): Promise<void> | void {
    if (frame.type !== M.Terminate) return this.#engine.handle(frame);
    const sent = this.#engine.sent();
    return sent ? sent.then(() => this.#end()) : this.#end();
  }

  #ready(): void {
    if (this.#stopping && !this.#pumping && this.#engine.idle) return this.#goodbye();
    void this.#pump();
  }

  #cancelTarget(): Promise<void> {
    this.#cancelling ??= this.#parts.target
      .cancel()
      .catch((error: unknown) => this.#parts.deps.onFailure(error))
      .finally(() => {
        this.#cancelling = undefined;
      });
    return this.#cancelling;
  }

  #goodbye(): void {
    if (this.#closed) return;
    this.#say(
      fatalMessage('57P01', {
        message: `countersign: ${this.#ending.why}`,
        hint: this.#ending.hint,
      }),
    );
    this.#end();
  }

  /** The stream cannot be followed any more: nothing that comes may pass, in either direction. */
  #broken(error: unknown): void {
    if (this.#closed) return;
    const known = error instanceof ProtocolViolation;
    if (!known) this.#parts.deps.onFailure(error);
    this.#say(
      fatalMessage(known ? error.sqlstate : 'XX000', {
        message: known ? error.message : 'countersign: the gateway failed; the session ends',
      }),
    );
    this.#parts.target.destroy();
    this.#end();
  }

  #targetGone(): void {
    this.#engine.lost();
    if (this.#closed) return;
    if (this.#engine.native) return this.#end();
    this.#say(
      fatalMessage('08006', {
        message: 'countersign: the target closed the connection',
        detail: 'Whether a statement that was running took effect is not known.',
        hint: 'Connect again and look before you repeat it.',
      }),
    );
    this.#end();
  }

  /** What runs goes on for a while, so that its outcome can be recorded; nothing else does. */
  #clientGone(): void {
    if (this.#closed) return;
    this.#engine.withdraw(new Withdrawal('withdrawn', 'the client went away'));
    this.#closed = true;
    const { target } = this.#parts;
    if (this.#engine.nothingToCome && !this.#pumping) return this.#end();
    target.resume();
    const timer = setTimeout(() => target.destroy(), LINGER_MS);
    target.onClose(() => clearTimeout(timer));
    this.#engine.whenIdle(() => this.#end());
  }

  #say(bytes: Buffer): void {
    const { socket } = this.#parts.client;
    if (socket.writable) this.#engine.inject(bytes);
  }

  #end(): void {
    this.#closed = true;
    this.#engine.withdraw(new Withdrawal('withdrawn', 'the session ended'));
    const { target } = this.#parts;
    if (target.destroyed) this.#engine.lost();
    else target.end();
    this.#finish();
  }
}
