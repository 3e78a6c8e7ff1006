import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Every `*.cedar` of a folder, by name. Rejects when the folder cannot be read: no rules would deny everything silently. */
export async function readPolicyFiles(dir: string): Promise<{ name: string; text: string }[]> {
  const entries = await readdir(dir).catch((cause: unknown) => {
    throw new Error(`the rules' folder ${dir} cannot be read: create it or correct policies:`, {
      cause,
    });
  });
  const names = entries.filter((name) => name.endsWith('.cedar')).toSorted();
  return Promise.all(
    names.map(async (name) => ({ name, text: await readFile(join(dir, name), 'utf8') })),
  );
}
