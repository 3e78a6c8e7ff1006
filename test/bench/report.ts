import { cpus, release, totalmem } from 'node:os';
import type { AuditResults } from './audit.ts';
import {
  type BulkResult,
  type LoadResult,
  type Mark,
  marksOf,
  medianOf,
  ratio,
  type Results,
} from './marks.ts';
import type { Idle } from './idle.ts';
import { WAYS, type WayName } from './stack.ts';

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

/** Tables in Markdown, which read well in a terminal too. */
export function report(results: Results): string {
  const { loads, bulks, idle } = results;
  return [
    `pgbench, select-only (medians; CPU is that of the process in the middle alone)\n\n${loadTable(loads)}`,
    `Large results (medians)\n\n${bulkTable(bulks)}`,
    ...(idle ? [idleLine(idle)] : []),
    `Marks\n\n${markTable(marksOf(results))}`,
  ].join('\n\n');
}

/** The same of the log alone. */
export function auditReport({ appending, took, storeFdatasyncMs }: AuditResults): string {
  const head = ['gateways', 'sessions each', 'records/s', 'p50 ms', 'p99 ms', 'tree behind, s'];
  const rows = appending.map(
    ({ gateways, sessions, recordsPerSecond, p50Ms, p99Ms, treeLagSeconds }) => [
      String(gateways),
      String(sessions),
      number(recordsPerSecond, 0),
      number(p50Ms, 2),
      number(p99Ms, 2),
      number(treeLagSeconds, 2),
    ],
  );
  const work = took.map(({ what, records, seconds }) => [
    what,
    number(records, 0),
    number(seconds, 1),
    number(records / seconds, 0),
  ]);
  return [
    `Append (medians; one commit on this disk syncs in ${number(storeFdatasyncMs, 2)} ms)\n\n${table([head, ...rows], 1)}`,
    `Many records\n\n${table([['what', 'records', 'seconds', 'a second'], ...work], 1)}`,
  ].join('\n\n');
}

const TITLES: Readonly<Record<WayName, string>> = {
  direct: 'direct',
  pgbouncer: 'pgbouncer',
  wire: 'wire and verdict',
  gateway: 'everything on',
};

function loadTable(loads: readonly LoadResult[]): string {
  const head = ['load', 'way', 'tps', '× direct', '× pgbouncer', 'p50 ms', 'p99 ms', 'CPU µs'];
  const rows = loads.flatMap(({ protocol, clients, pinned, rounds }) => {
    const tps = (way: WayName) => medianOf(rounds[way], (round) => round.tps);
    return present(rounds).map((way) => [
      `${protocol}, ${clients}${pinned ? ', one CPU' : ''}`,
      TITLES[way],
      number(tps(way), 0),
      number(ratio(tps(way), tps('direct')), 2),
      number(ratio(tps(way), tps('pgbouncer')), 2),
      number(
        medianOf(rounds[way], ({ p50Ms }) => p50Ms),
        3,
      ),
      number(
        medianOf(rounds[way], ({ p99Ms }) => p99Ms),
        3,
      ),
      number(
        medianOf(rounds[way], ({ cpuUs }) => cpuUs),
        1,
      ),
    ]);
  });
  return table([head, ...rows], 2);
}

function bulkTable(bulks: readonly BulkResult[]): string {
  const head = ['result', 'way', 'seconds', '× direct', '× pgbouncer', 'memory grew by, MB'];
  const rows = bulks.flatMap(({ name, rounds }) => {
    const seconds = (way: WayName) => medianOf(rounds[way], (round) => round.seconds);
    return present(rounds).map((way) => [
      name,
      TITLES[way],
      number(seconds(way), 2),
      number(ratio(seconds(way), seconds('direct')), 2),
      number(ratio(seconds(way), seconds('pgbouncer')), 2),
      number(mega(medianOf(rounds[way], ({ rssGrowthBytes }) => rssGrowthBytes)), 1),
    ]);
  });
  return table([head, ...rows], 2);
}

function idleLine({ connections, bytesBefore, bytesAfter, bytesEach, answered }: Idle): string {
  return (
    `${connections} idle connections: the gateway's memory was ${number(mega(bytesBefore), 0)} MB before and ` +
    `${number(mega(bytesAfter), 0)} MB with them (${number(bytesEach && bytesEach / 1000, 1)} kB each); ` +
    `${answered} answered afterwards`
  );
}

function markTable(marks: readonly Mark[]): string {
  const rows = marks.map(({ name, value, bound, limit, unit, met }) => [
    name,
    `${bound} ${limit} ${unit}`,
    number(value, 2),
    met === undefined ? 'not measured' : met ? 'met' : 'missed',
  ]);
  return table([['mark', 'limit', 'measured', ''], ...rows], 2);
}

const present = (rounds: Readonly<Partial<Record<WayName, unknown>>>): WayName[] =>
  WAYS.filter((way) => rounds[way] !== undefined);

const mega = (bytes: number | undefined): number | undefined =>
  bytes === undefined ? undefined : bytes / 1e6;

function number(value: number | undefined, digits: number): string {
  if (value === undefined) return '–';
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value.toLocaleString('en', options);
}

/** The first `texts` columns are aligned to the left, the others, being numbers, to the right. */
function table(rows: readonly (readonly string[])[], texts: number): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  const padded = rows.map((row) =>
    line(
      row.map((cell, i) =>
        i < texts ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
      ),
    ),
  );
  const rule = line(
    widths.map((width, i) => (i < texts ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)),
  );
  return [padded[0], rule, ...padded.slice(1)].join('\n');
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
