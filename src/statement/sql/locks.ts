import type { AlterTableType } from 'libpg-query';

/** PostgreSQL's table locks, weakest first, as LOCK TABLE counts them. */
export const lockModes = [
  'ACCESS SHARE',
  'ROW SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
] as const;
export type LockMode = (typeof lockModes)[number];

/** What others cannot do meanwhile (documentation, 13.3.1). */
function blocks(mode: LockMode): string {
  const at = lockModes.indexOf(mode);
  if (at === lockModes.length - 1) return 'others can neither read nor write';
  return at >= 4 ? 'others can read but not write' : 'others can read and write';
}

export const lockWords = (mode: LockMode): string =>
  `takes a lock of mode ${mode} (${blocks(mode)})`;

/** How a change treats the rows that are there. */
type Work = 'rewrites the table' | 'scans the table' | 'touches no row';

type Terms = { readonly lock: LockMode; readonly work: Work };

// Documentation of ALTER TABLE, PostgreSQL 15 to 18; ACCESS EXCLUSIVE where it names no other.
const terms: Partial<Record<AlterTableType, Partial<Terms>>> = {
  AT_SetStatistics: { lock: 'SHARE UPDATE EXCLUSIVE' },
  AT_SetOptions: { lock: 'SHARE UPDATE EXCLUSIVE' },
  AT_ResetOptions: { lock: 'SHARE UPDATE EXCLUSIVE' },
  AT_SetRelOptions: { lock: 'SHARE UPDATE EXCLUSIVE' },
  AT_ResetRelOptions: { lock: 'SHARE UPDATE EXCLUSIVE' },
  AT_ClusterOn: { lock: 'SHARE UPDATE EXCLUSIVE' },
  AT_DropCluster: { lock: 'SHARE UPDATE EXCLUSIVE' },
  AT_ValidateConstraint: { lock: 'SHARE UPDATE EXCLUSIVE', work: 'scans the table' },
  AT_EnableTrig: { lock: 'SHARE ROW EXCLUSIVE' },
  AT_EnableAlwaysTrig: { lock: 'SHARE ROW EXCLUSIVE' },
  AT_EnableReplicaTrig: { lock: 'SHARE ROW EXCLUSIVE' },
  AT_DisableTrig: { lock: 'SHARE ROW EXCLUSIVE' },
  AT_EnableTrigAll: { lock: 'SHARE ROW EXCLUSIVE' },
  AT_DisableTrigAll: { lock: 'SHARE ROW EXCLUSIVE' },
  AT_EnableTrigUser: { lock: 'SHARE ROW EXCLUSIVE' },
  AT_DisableTrigUser: { lock: 'SHARE ROW EXCLUSIVE' },
  AT_AttachPartition: { lock: 'SHARE UPDATE EXCLUSIVE', work: 'scans the table' },
  AT_DetachPartitionFinalize: { lock: 'SHARE UPDATE EXCLUSIVE' },
  AT_SetNotNull: { work: 'scans the table' },
  AT_AlterColumnType: { work: 'rewrites the table' },
  AT_SetExpression: { work: 'rewrites the table' },
  AT_AddIdentity: { work: 'touches no row' },
  AT_SetLogged: { work: 'rewrites the table' },
  AT_SetUnLogged: { work: 'rewrites the table' },
  AT_SetAccessMethod: { work: 'rewrites the table' },
  AT_SetTableSpace: { work: 'rewrites the table' },
};

export function termsOf(subtype: AlterTableType | undefined): Terms {
  return {
    lock: 'ACCESS EXCLUSIVE',
    work: 'touches no row',
    ...(subtype !== undefined && terms[subtype]),
  };
}

const works: readonly Work[] = ['touches no row', 'scans the table', 'rewrites the table'];

/** The strongest lock and the most work of several changes. */
export function strongest(all: readonly Terms[]): Terms {
  return {
    lock:
      lockModes[Math.max(...all.map(({ lock }) => lockModes.indexOf(lock)))] ?? 'ACCESS EXCLUSIVE',
    work: works[Math.max(...all.map(({ work }) => works.indexOf(work)))] ?? 'rewrites the table',
  };
}
