import type { TargetConfig } from '#src/config/config.ts';
import { resourceId } from '#src/statement/effect.ts';
import { CatalogReader } from './catalog.ts';

/** Entity ids of every column of the target's default database, as the analyser's role sees them. */
export async function columnIds(target: TargetConfig): Promise<string[]> {
  const reader = new CatalogReader(target, target.database);
  try {
    return (await reader.load()).ruleable().map(resourceId);
  } finally {
    await reader.close();
  }
}
