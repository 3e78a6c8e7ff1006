import { constants } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '../failure.ts';

/** On Windows the folder's access list protects; there are no mode bits. */
const MODES = process.platform !== 'win32';

/**
 * A file that only this person can read or write; undefined when it is not there. Rejects with Failure when somebody
 * else could have read or written it: what is in it is not to be trusted, nor secret.
 */
export async function readPrivate(path: string): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch(
    (error: unknown) => {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
      throw new Failure(`${path} cannot be read`, {
        hint: codeOf(error) === 'ELOOP' ? 'it is a link: take it away' : 'whose is it?',
        cause: error,
      });
    },
  );
  if (!file) return undefined;
  try {
    demandPrivate(path, await file.stat());
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Replaces the file in one step; its folder is made, for this person alone. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { mode, uid } = await stat(folder);
  if (MODES && (uid !== process.getuid?.() || (mode & 0o022) !== 0))
    throw new Failure(`others can write in ${folder}`, {
      hint: `make it yours alone: chmod 700 ${folder}`,
    });
  const beside = `${path}.${process.pid}`;
  await rm(beside, { force: true });
  const file = await open(beside, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
}

function demandPrivate(
  path: string,
  { mode, uid }: { readonly mode: number; readonly uid: number },
): void {
  if (!MODES) return;
  if (uid !== process.getuid?.())
    throw new Failure(`${path} belongs to somebody else`, {
      hint: 'take it away, then: countersign login',
    });
  if ((mode & 0o077) !== 0)
    throw new Failure(`others can read or write ${path}, so what is in it is no secret`, {
      hint: `take it away, revoke its token in the console, then: countersign login`,
    });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
