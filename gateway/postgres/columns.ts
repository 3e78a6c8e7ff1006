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

/** A target that does not answer by then is not waited for. */
const PATIENCE_MS = 5_000;

/** Of all these targets; `silent` hears of those that cannot be asked, whose columns are left out. */
export async function columnsOf(
  targets: Iterable<TargetConfig>,
  silent: (target: string, error: unknown) => void,
): Promise<string[]> {
  const asked = Array.from(targets, async (target) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), PATIENCE_MS);
    });
    try {
      return await Promise.race([columnIds(target), late]);
    } catch (error) {
      silent(target.name, error);
      return [];
    } finally {
      clearTimeout(timer);
    }
  });
  return (await Promise.all(asked)).flat();
}
