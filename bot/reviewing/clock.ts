import { setTimeout as sleep } from 'node:timers/promises';
import type { BotLog } from '../log.ts';
import { type DigestParts, postDigests } from './digests.ts';
import { forgetSearches } from './found.ts';
import { type IncidentParts, tellIncidents } from './incidents.ts';

const INCIDENTS_MS = 3_000;
const DIGESTS_MS = 10_000;
/** What fails again and again is tried at this part of its pace: each try of a digest is a record. */
const SLOWEST = 30;

export type ClockParts = DigestParts & IncidentParts & { readonly log: BotLog };

/** Posts what time brings: digests, and what happens in incidents. `close` waits for what is under way. */
export function startReviewingClock(
  parts: ClockParts,
  { incidentsMs = INCIDENTS_MS, digestsMs = DIGESTS_MS } = {},
): { close(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const every = async (ms: number, what: string, work: () => Promise<void>): Promise<void> => {
    let wait = ms;
    while (!signal.aborted) {
      // oxlint-disable no-await-in-loop -- one round after the other
      try {
        await work();
        wait = ms;
      } catch (error) {
        parts.log.warn({ err: error }, `${what} was not looked after; it is tried again`);
        wait = Math.min(ms * SLOWEST, wait * 2);
      }
      await sleep(wait, undefined, { signal }).catch(() => undefined);
      // oxlint-enable no-await-in-loop
    }
  };
  const running = [
    every(incidentsMs, 'an incident', () => tellIncidents(parts)),
    every(digestsMs, 'a digest', () => postDigests(parts)),
    every(digestsMs, 'what was searched for', () => forgetSearches(parts.db)),
  ];
  return {
    async close() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}
