import { setTimeout as sleep } from 'node:timers/promises';
import {
  dueGrants,
  markTold,
  REMINDER,
  WARNING,
  type DueGrant,
} from '#src/approval/grant-times.ts';
import type { Requests } from '#src/approval/port.ts';
import type { Database } from '#src/store/database.ts';
import type { BotLog } from '../log.ts';
import type { Said } from '../say.ts';
import { inThread, type FollowParts } from './follow.ts';
import { reminderPost } from './glass.ts';
import { endsPost } from './posts.ts';

export type ClockParts = FollowParts & {
  readonly db: Database;
  readonly requests: Pick<Requests, 'get'>;
  readonly log: BotLog;
  /** Default: 2 seconds. */
  readonly everyMs?: number;
};

const EVERY_MS = 2_000;

/**
 * Says what time alone brings: that a grant ends soon, and that break-glass waits for its review. Each is decided by a row
 * of the store, so any number of bots may look, and what fell due while none did is said at the next start, if it still
 * holds. `close` waits for what is under way.
 */
export function startAccessClock(parts: ClockParts): { close(): Promise<void> } {
  const { everyMs = EVERY_MS, log } = parts;
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      // oxlint-disable no-await-in-loop -- one round after the other
      await round(parts).catch((error: unknown) =>
        log.warn({ err: error }, 'what is due about access was not said; it is tried again'),
      );
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      // oxlint-enable no-await-in-loop
    }
  };
  const running = run();
  return {
    async close() {
      stopping.abort();
      await running;
    },
  };
}

async function round(parts: ClockParts): Promise<void> {
  const { db, log } = parts;
  for (const [told, messages] of [
    [WARNING, warnings],
    [REMINDER, reminders],
  ] as const)
    // oxlint-disable no-await-in-loop -- there are rarely more than a few
    for (const due of await dueGrants(db, told))
      try {
        for (const said of await messages(parts, due)) await parts.say.say(said);
        await markTold(db, due, told);
      } catch (error) {
        log.warn(
          { err: error, grant: due.grant.id },
          'what is due about a grant was not said; it is tried again',
        );
      }
  // oxlint-enable no-await-in-loop
}

const warnings = (_: ClockParts, { grant }: DueGrant): readonly Said[] => [
  { key: `grant-ends:${grant.id}`, to: { person: grant.person }, post: endsPost(grant) },
];

async function reminders(
  parts: ClockParts,
  { grant, reminders: before }: DueGrant,
): Promise<readonly Said[]> {
  const { office, requests, publicUrl } = parts;
  const count = before + 1;
  const key = `glass-reminder:${grant.id}:${count}`;
  const post = reminderPost(grant, count, { publicUrl, command: '' });
  const request = grant.request === undefined ? undefined : await requests.get(grant.request);
  const people = await office.reviewers(grant);
  return [
    ...(request ? inThread(parts, request, { key, post }) : []),
    ...people.map((person) => ({ key, to: { person }, post })),
  ];
}
