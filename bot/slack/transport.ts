import { setTimeout as sleep } from 'node:timers/promises';
import type { App, Receiver, ReceiverEvent } from '@slack/bolt';
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

/** Slack sends an event again that was not acknowledged within three seconds. */
const EVENT_MS = 2_500;

/**
 * Gives a call to Bolt. Bolt acknowledges an event before anything is done about it, and Slack would then not send again
 * what fails: so an event is acknowledged here when it is through, or when Slack would wait no longer.
 */
export async function give(
  app: App | undefined,
  event: Pick<ReceiverEvent, 'body' | 'ack'> & Partial<ReceiverEvent>,
): Promise<void> {
  if (eventKey(event.body) === undefined) return await app?.processEvent(event);
  const work = app?.processEvent({ ...event, ack: () => Promise.resolve() });
  await Promise.race([work, sleep(EVENT_MS, undefined, { ref: false })]);
  await event.ack();
  await work;
}
