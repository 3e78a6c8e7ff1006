/** A hint that something waits in the outbox. Never more than ids: the store holds the truth. */
export type Hint = { readonly outbox: string; readonly request: string };

/** At-least-once wake-ups. Losing one costs time, never a post: the sweep finds what hints missed. */
export interface Queue {
  /** Rejects within 3 s when the backend does not take it. */
  publish(hint: Hint): Promise<void>;
  /** Calls `handle` for each hint; a rejection is retried with back-off. */
  consume(handle: (hint: Hint) => Promise<void>): Promise<void>;
  /** Resolves when the backend answers; rejects with the cause otherwise, within 3 s. */
  ping(): Promise<void>;
  /** Resolves within 4 s, whatever the backend does. */
  close(): Promise<void>;
}

/** What the queue needs of the process's logger (pino has it). */
export type QueueLog = {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
};
