import type { TargetConfig } from '#src/config/config.ts';
import type { CatalogNames } from '#src/statement/sql/catalog.ts';
import { CatalogReader } from './catalog.ts';

/** What rules can name of the target's default database, as the analyser's role sees it. */
export async function namesIn(target: TargetConfig): Promise<CatalogNames> {
  const reader = new CatalogReader(target, target.database);
  try {
    return (await reader.load()).names();
  } finally {
    await reader.close();
  }
}

/** A target that does not answer by then is not waited for. */
const PATIENCE_MS = 5_000;

const NOTHING: CatalogNames = { schemas: [], tables: [], columns: [], functions: [] };

/** Of all these targets; `silent` hears of those that cannot be asked, whose names are left out. */
export async function namesOfAll(
  targets: Iterable<TargetConfig>,
  silent: (target: string, error: unknown) => void,
): Promise<CatalogNames> {
  const asked = Array.from(targets, async (target) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), PATIENCE_MS);
    });
    try {
      return await Promise.race([namesIn(target), late]);
    } catch (error) {
      silent(target.name, error);
      return NOTHING;
    } finally {
      clearTimeout(timer);
    }
  });
  return together(await Promise.all(asked));
}

const together = (all: readonly CatalogNames[]): CatalogNames => ({
  schemas: all.flatMap((names) => names.schemas),
  tables: all.flatMap((names) => names.tables),
  columns: all.flatMap((names) => names.columns),
  functions: all.flatMap((names) => names.functions),
});
