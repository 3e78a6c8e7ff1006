import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StartError } from './start-error.ts';

/** Whom PostgreSQL runs as, when that is not ourselves. */
export type RunAs = { readonly name: string; readonly uid: number; readonly gid: number };

/** PostgreSQL refuses to run as root; everybody else runs it as themselves (undefined). Throws `StartError`. */
export async function choosePostgresUser(): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = parsePasswd(await readFile('/etc/passwd', 'utf8').catch(() => ''));
  // initdb asks for the name behind its uid, so a bare number would not do.
  const user =
    users.find((one) => one.name === 'postgres') ??
    users.find((one) => one.name === 'nobody') ??
    users.find((one) => one.uid !== 0);
  if (user) return user;
  throw new StartError(
    'PostgreSQL does not run as root, and this machine has no other user.',
    'Add one (useradd --system postgres), or name your own PostgreSQL as store.postgres.',
  );
}

function parsePasswd(text: string): RunAs[] {
  return text.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

/** May `as` enter `path` and every folder above it? A folder that does not exist yet counts by its parents. */
export async function canReach(path: string, as: RunAs): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    const facts = await stat(at).catch(() => undefined);
    if (facts?.isDirectory()) {
      const bit = facts.uid === as.uid ? 0o100 : facts.gid === as.gid ? 0o010 : 0o001;
      if ((facts.mode & bit) === 0) return false;
    }
    if (at === dirname(at)) return true;
  }
}
