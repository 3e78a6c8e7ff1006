import type { Receiver } from '@slack/bolt';
import type { Address } from '#src/config/config.ts';

/**
 * How Slack's calls reach us. Each call carries `seenKey` in its context: the same for a retry or a replay, and for
 * nothing else.
 */
export type Transport = {
  readonly receiver: Receiver;
  /** The address that it listens on, if it listens. */
  start(): Promise<Address | undefined>;
  /** Takes no more calls, and waits a few seconds at most for those it has. */
  close(): Promise<void>;
};

/** Slack sends an event again with other bytes, but under its id. */
export function eventKey(payload: Readonly<Record<string, unknown>>): string | undefined {
  const { event_id: id } = payload;
  return payload['type'] === 'event_callback' && typeof id === 'string' ? `event ${id}` : undefined;
}
