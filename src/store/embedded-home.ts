import { createHash } from 'node:crypto';
import { chmod, lchown, lstat, mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { canReach, type RunAs } from './embedded-user.ts';
import { explain, StartError } from './start-error.ts';

/** Where root keeps what another user must reach, when the installation itself lies under a closed folder. */
export const SYSTEM_FOLDER = '/var/lib/countersign';

/** The folder of one cluster, owned by whoever runs it: in `dir`, or (as root, out of reach) in the system's. */
export async function clusterFolder(
  dir: string,
  name: string,
  as: RunAs | undefined,
): Promise<string> {
  const folder = join(await clusterHome(resolve(dir), as), name);
  try {
    // Others may pass through but not look around: the files inside are 0600.
    await mkdir(dirname(folder), { recursive: true, mode: as ? 0o711 : 0o700 });
    if (as) await chmod(dirname(folder), 0o711);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (as) await giveTo(folder, as);
    return folder;
  } catch (error) {
    throw explain(error, `write ${folder}`);
  }
}

/** As root a link is not followed: what it leads to would be given away. */
async function giveTo(folder: string, as: RunAs): Promise<void> {
  if ((await lstat(folder)).isSymbolicLink())
    throw new StartError(`${folder} is a link.`, 'As root, name the real folder as dataDir.');
  await lchown(folder, as.uid, as.gid);
}

async function clusterHome(dir: string, as: RunAs | undefined): Promise<string> {
  if (!as) return dir;
  const away = join(SYSTEM_FOLDER, createHash('sha256').update(dir).digest('hex').slice(0, 16));
  // Data that once went there stays there, even if the home has been opened since.
  if (await stat(away).catch(() => undefined)) return away;
  return (await canReach(dirname(dir), as)) ? dir : away;
}
