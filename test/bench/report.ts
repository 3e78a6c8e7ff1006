import { cpus, release, totalmem } from 'node:os';

/** The same thing measured on both ways, round by round. */
export type Pair = {
  readonly name: string;
  readonly unit: 'tps' | 'seconds';
  readonly direct: readonly number[];
  readonly gateway: readonly number[];
  /** Mean latency of a transaction in milliseconds, round by round; for tps only. */
  readonly latencyMs?: { readonly direct: readonly number[]; readonly gateway: readonly number[] };
};

export type Summary = Pair & {
  readonly medianDirect: number;
  readonly medianGateway: number;
  /** Gateway over direct: 1 is as fast; below 1 is slower for tps, above 1 is slower for seconds. */
  readonly ratio: number;
};

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function summarise(pair: Pair): Summary {
  const medianDirect = median(pair.direct);
  const medianGateway = median(pair.gateway);
  return { ...pair, medianDirect, medianGateway, ratio: medianGateway / medianDirect };
}

/** Facts without which the numbers cannot be compared with another run's. */
export function machine(): Record<string, string | number> {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${release()} ${process.arch}`,
    node: process.versions.node,
  };
}

export function table(summaries: readonly Summary[]): string {
  const rows = [
    ['what', 'unit', 'direct', 'gateway', 'ratio'],
    ...summaries.map((s) => [
      s.name,
      s.unit,
      number(s.medianDirect),
      number(s.medianGateway),
      s.ratio.toFixed(2),
    ]),
  ];
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  '),
    )
    .join('\n');
}

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
