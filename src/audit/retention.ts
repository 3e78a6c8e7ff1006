import type { RetentionRule } from '../config/config.ts';
import { drop, dueMonths, resumeDrops, type RetentionParts } from './erasure/drop.ts';
import { alone } from './erasure/job.ts';
import { erase, planErasure } from './erasure/erase.ts';
import type { Filter } from './erasure/filter.ts';
import { holdsOn } from './erasure/plan.ts';
import { dueRecordings, eraseRecordings } from './erasure/recordings.ts';

/** What one run did, or would do. */
export type Kept = {
  /** Months that go as a whole: the first day of each, and its records. */
  readonly months: readonly { readonly from: string; readonly records: number }[];
  readonly records: number;
  readonly recordings: number;
  /** Names of the holds that kept something. */
  readonly holds: readonly string[];
};

/** Of one rule in one run, so that a run ends; the next one goes on. */
const MOST = 20_000;
const REASON = 'kept as long as the rules of retention say';

/** What would go now. Changes nothing. */
export async function planRetention(parts: RetentionParts): Promise<Kept> {
  const { owner, rules, now } = parts;
  const months = await dueMonths(parts);
  let records = 0;
  const holds = new Set<string>();
  for (const filter of filtersOf(rules, now)) {
    // oxlint-disable no-await-in-loop -- long queries, one after the other
    (await holdsOn(owner.pool, filter)).forEach((name) => holds.add(name));
    records += (
      await planErasure({ owner, configured: [] }, { filter: { ...filter, unheld: true } })
    ).records;
    // oxlint-enable no-await-in-loop
  }
  const inMonths = months.reduce((sum, { left }) => sum + left, 0);
  const recordings = await dueRecordings(owner.pool, recordingRules(parts), 1_000_000);
  return {
    months: months.map(({ month, covers }) => ({ from: month.from, records: covers.records })),
    records: Math.max(0, records - inMonths),
    recordings: recordings.length,
    holds: [...holds],
  };
}

/** Applies the rules once: whole months where all of a month has expired, else record by record, at most so many a run. */
export async function applyRetention(parts: RetentionParts): Promise<Kept> {
  const { owner } = parts;
  await resumeDrops(parts);
  const months = await dueMonths(parts);
  for (const due of months)
    // oxlint-disable-next-line no-await-in-loop -- one month after the other
    await alone(owner, () => drop(parts, due));
  let records = 0;
  const holds = new Set<string>();
  for (const filter of filtersOf(parts.rules, parts.now)) {
    // oxlint-disable no-await-in-loop -- one rule after the other
    (await holdsOn(owner.pool, filter)).forEach((name) => holds.add(name));
    const asked = { filter: { ...filter, limit: MOST, unheld: true }, reason: REASON };
    records += (await erase(parts, asked)).records;
    // oxlint-enable no-await-in-loop
  }
  const recordings = await eraseRecordings(parts, recordingRules(parts));
  return {
    months: months.map(({ month, covers }) => ({ from: month.from, records: covers.records })),
    records,
    recordings,
    holds: [...holds],
  };
}

/** Of rules that come later what an earlier one fits is left out. */
function filtersOf(rules: readonly RetentionRule[], now: number): readonly Filter[] {
  const ours = rules.filter(({ kind }) => kind === 'records');
  return ours.map(({ target, keepMs }, i) => ({
    target,
    before: new Date(now - keepMs).toISOString(),
    except: ours.slice(0, i).map((one) => one.target),
  }));
}

const recordingRules = ({ rules, now }: RetentionParts) =>
  rules
    .filter(({ kind }) => kind === 'recordings')
    .map(({ target, keepMs }) => ({ target, before: new Date(now - keepMs).toISOString() }));
