import type { Vault } from '#src/identity/vault.ts';
import { storeInFolder, storeInPostgres } from '#src/recording/chunk-store.ts';
import type { ChunkStore, Recordings } from '#src/recording/port.ts';
import { openRecordings } from '#src/recording/recordings.ts';
import type { Core } from './core.ts';

/** The recordings of this installation, and where their chunks are kept; closed again by `opened`. */
export function openOwnRecordings(
  { config, db, audit, lease, onError }: Core,
  vault: Vault,
  opened: AsyncDisposableStack,
): { readonly recordings: Recordings; readonly chunks: ChunkStore } {
  const folder = config.recordings?.folder;
  const chunks = folder === undefined ? storeInPostgres(db) : storeInFolder(folder);
  const { gateway, epoch } = lease;
  const recordings = openRecordings({ db, audit, chunks, vault, gateway, epoch, onError });
  opened.defer(() => recordings.close());
  return { recordings, chunks };
}
