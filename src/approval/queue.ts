/** A hint that something waits in the outbox. Never more than ids: the store holds the truth. */
export type Hint = { readonly outbox: string; readonly request: string };

/** At-least-once wake-ups. Losing one costs time, never a post: the sweep finds what hints missed. */
export interface Queue {
  publish(hint: Hint): Promise<void>;
  /** Calls `handle` for each hint; a rejection is retried with back-off. */
  consume(handle: (hint: Hint) => Promise<void>): Promise<void>;
  /** Resolves when the backend answers; rejects with the cause otherwise. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
