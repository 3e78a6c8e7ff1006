import type { Detecting } from './detectors.ts';
import type { Idle } from './idle.ts';
import { median } from './median.ts';
import type { Measured } from './pgbench.ts';
import type { WayName } from './stack.ts';

/** One load, measured on every way in every round. */
export type LoadResult = {
  readonly protocol: string;
  readonly clients: number;
  readonly pinned: boolean;
  readonly rounds: Readonly<Partial<Record<WayName, readonly Measured[]>>>;
};

export type Bulk = { readonly seconds: number; readonly rssGrowthBytes?: number };

/** One large result, read on every way in every round. */
export type BulkResult = {
  readonly name: string;
  readonly rounds: Readonly<Partial<Record<WayName, readonly Bulk[]>>>;
};

export type Results = {
  readonly loads: readonly LoadResult[];
  readonly bulks: readonly BulkResult[];
  readonly idle?: Idle;
  readonly detectors?: readonly Detecting[];
};

/** A limit that this project has set itself; `met` is missing where the value could not be measured. */
export type Mark = {
  readonly name: string;
  readonly value?: number;
  readonly bound: 'at most' | 'at least';
  readonly limit: number;
  readonly unit: string;
  readonly met?: boolean;
};

/** The median of one number over the rounds of a way; undefined where a round does not have it. */
export function medianOf<T>(
  rounds: readonly T[] | undefined,
  number: (round: T) => number | undefined,
): number | undefined {
  const values = rounds?.map(number).filter((value) => value !== undefined) ?? [];
  return values.length === 0 || values.length !== rounds?.length ? undefined : median(values);
}

export function ratio(value: number | undefined, to: number | undefined): number | undefined {
  return value === undefined || to === undefined || to === 0 ? undefined : value / to;
}

const MANY = 32;
const IDLE = 2000;
/** CPU of the gateway with everything on, in microseconds a transaction. */
const MOST_CPU_US: Readonly<Record<number, number>> = { 1: 400, [MANY]: 130 };

export function marksOf({ loads, bulks, idle, detectors = [] }: Results): Mark[] {
  return [
    ...loads.flatMap(loadMarks),
    ...bulks.map(bulkMark),
    ...(idle ? [idleMark(idle)] : []),
    ...detectors.map(detectorMark),
  ];
}

function loadMarks({ protocol, clients, rounds }: LoadResult): Mark[] {
  const load = `${protocol}, ${clients} client${clients === 1 ? '' : 's'}`;
  const cpu = (way: WayName) => medianOf(rounds[way], ({ cpuUs }) => cpuUs);
  const p50 = (way: WayName) => medianOf(rounds[way], ({ p50Ms }) => p50Ms) ?? Number.NaN;
  const tps = (way: WayName) => medianOf(rounds[way], (round) => round.tps);
  const mostCpu = MOST_CPU_US[clients];
  return [
    most(`wire and verdict: CPU, ${load}`, ratio(cpu('wire'), cpu('pgbouncer')), 4, '× pgbouncer'),
    ...(mostCpu ? [most(`everything on: CPU, ${load}`, cpu('gateway'), mostCpu, 'µs')] : []),
    ...(clients === 1
      ? [most(`everything on: p50 over direct, ${load}`, p50('gateway') - p50('direct'), 0.5, 'ms')]
      : []),
    ...(clients === MANY
      ? [
          least(
            `everything on: throughput, ${load}`,
            ratio(tps('gateway'), tps('pgbouncer')),
            0.35,
            '× pgbouncer',
          ),
        ]
      : []),
  ];
}

function bulkMark({ name, rounds }: BulkResult): Mark {
  const seconds = (way: WayName) => medianOf(rounds[way], (round) => round.seconds);
  return most(name, ratio(seconds('gateway'), seconds('direct')), 1.3, '× direct');
}

function idleMark({ connections, answered, bytesAfter }: Idle): Mark {
  // Fewer connections, or some that are dead, say nothing about the mark.
  const counts = connections >= IDLE && answered === connections;
  const bytes = counts && bytesAfter !== undefined ? bytesAfter / 1e6 : undefined;
  return most(`memory with ${IDLE} idle connections`, bytes, 400, 'MB');
}

/** Megabytes a second that detectors look through on one core. */
const LEAST_DETECTED: Readonly<Record<Detecting['engine'], number>> = { re2: 25, re2js: 8 };

function detectorMark({ engine, megabytesPerSecond }: Detecting): Mark {
  return least(`detectors with ${engine}`, megabytesPerSecond, LEAST_DETECTED[engine], 'MB/s');
}

function most(name: string, value: number | undefined, limit: number, unit: string): Mark {
  const measured = value === undefined ? {} : { value, met: value <= limit };
  return { name, ...measured, bound: 'at most', limit, unit };
}

function least(name: string, value: number | undefined, limit: number, unit: string): Mark {
  const measured = value === undefined ? {} : { value, met: value >= limit };
  return { name, ...measured, bound: 'at least', limit, unit };
}
