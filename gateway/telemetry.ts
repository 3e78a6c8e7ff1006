import { exportLag } from '#src/audit/export/exporter.ts';
import { searchLag } from '#src/audit/search/project.ts';
import { flaggedWriters, liveWriters } from '#src/audit/silence.ts';
import { anchorStates } from '#src/audit/tree/anchors.ts';
import { treeSize } from '#src/audit/tree/store.ts';
import type { Config } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import { Metrics } from '#src/telemetry/metrics.ts';
import type { Sources } from '#src/telemetry/sources.ts';
import type { Telemetry } from '#src/telemetry/telemetry.ts';
import { openTracing } from '#src/telemetry/tracing.ts';

/** The gateway's numbers, and its traces where a collector is configured. */
export async function openTelemetry(
  config: Pick<Config, 'name' | 'targets' | 'telemetry'>,
  onError: (error: Error) => void,
): Promise<Telemetry> {
  const metrics = new Metrics(config.targets.keys());
  if (!config.telemetry) return { metrics };
  const { otlp, sample } = config.telemetry;
  return { metrics, tracing: await openTracing({ otlp, sample, name: config.name, onError }) };
}

/** Cards that chat does not show yet; undefined when the store does not say. */
export async function outboxPending(db: Database): Promise<number | undefined> {
  const { rows } = await db.pool
    .query<{ pending: string }>(
      'select count(*) as pending from countersign.outbox where done_at is null',
    )
    .catch(() => ({ rows: [] }));
  return rows[0] && Number(rows[0].pending);
}

/** What the store says of the log; nothing while it does not answer. */
export const logSources = (
  db: Database,
  anchors: readonly { readonly name: string }[],
): Partial<Sources> => ({
  anchors: () =>
    anchorStates(
      db,
      anchors.map(({ name }) => name),
    ).catch(() => []),
  tree: () => treeSize(db).catch(() => undefined),
  exports: () => exportLag(db).catch(() => []),
  searchLag: () => searchLag(db).catch(() => undefined),
  writers: () => liveWriters(db).catch(() => []),
  flagged: () => flaggedWriters(db).catch(() => []),
});
