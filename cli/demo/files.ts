import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { explain } from '#src/store/start-error.ts';

/** Writes a private file so that a reader sees the old text or the new one, never a part. Throws `StartError`. */
export async function writePrivate(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const fresh = `${path}.new`;
    await writeFile(fresh, text, { mode: 0o600, flush: true });
    await rename(fresh, path);
  } catch (error) {
    throw explain(error, `write ${path}`);
  }
}

/** A random password that stays the same from the first start on. */
export async function secretIn(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  const old = await readFile(path, 'utf8').catch(() => '');
  if (old !== '') return old;
  const secret = randomBytes(32).toString('base64url');
  await writePrivate(path, secret);
  return secret;
}
