import type { Withdrawal } from '../gate/holds.ts';
import type { Frame } from './codec.ts';

/** What a session's messages go through, in both directions. Rule-bound and unrestricted sessions have one each. */
export interface Engine {
  /** The client hears what the target says, and nothing else as long as nothing of the gateway's own has happened. */
  readonly native: boolean;
  /** Bytes that one message may have. */
  readonly largest: number;
  /** One message, in order; anything but Terminate. A promise when the next one should wait. */
  handle(frame: Frame): Promise<void> | void;
  /** Must this message wait until something has been answered? */
  waits(frame: Frame): boolean;
  /** Resolves once everything that was handled is on its way to the target. */
  sent(): Promise<void> | void;
  /** Bytes from the target. False when the client cannot take more now. */
  push(chunk: Buffer): boolean;
  /** Bytes of our own for the client, at the next border between messages. */
  inject(bytes: Buffer): void;
  /** The target is gone. */
  lost(): void;
  /** Ends what is being judged or waits now; false when there is nothing. */
  withdraw(why: Withdrawal): boolean;
  whenIdle(listener: () => void): void;
  /** A statement waits for approval: the client is read whatever else is pending. */
  readonly holding: boolean;
  /** Something was sent that the target has not answered. */
  readonly outstanding: boolean;
  /** Nothing runs and nothing is being judged: the session may be ended without taking anything back. */
  readonly idle: boolean;
  /** As `idle`, or what runs needs nothing from the client to be over. */
  readonly quiet: boolean;
  /** What runs needs more of the client to come to an end. */
  readonly unfinished: boolean;
  /** No answer is worth waiting for once the client has gone. */
  readonly nothingToCome: boolean;
}

/** What an engine asks of the conversation around it. */
export type EngineHooks = {
  /** ReadyForQuery has come. */
  ready(): void;
  /** A message that had to wait may be handled now. */
  pump(): void;
  /** A statement waits for approval now. */
  held(): void;
  /** Ends what runs on the target now; resolves once nothing else can be hit by it. */
  cancel(): Promise<void>;
  /** No statement more: the session ends as soon as nothing runs. */
  retire(why: string): void;
  /** What came cannot be let through; the session must end. */
  broken(error: unknown): void;
};
