import { execFile } from 'node:child_process';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** Where sources are kept and built between runs. */
export const CACHE = process.env['COUNTERSIGN_SUITES'] ?? '/tmp/countersign-suites';

/** apt of its own lists, so that nothing of the machine's configuration is touched and nobody has to be root. */
async function apt(): Promise<string[]> {
  const home = join(CACHE, 'apt');
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    await mkdir(join(home, folder), { recursive: true });
  const list = join(home, 'sources.list');
  const mirror = await ownMirror();
  const lines = ['bookworm', 'trixie', 'sid'].map((suite) => `deb-src ${mirror} ${suite} main\n`);
  await writeFile(list, lines.join(''));
  return [
    '-q',
    '-o',
    'APT::Sandbox::User=',
    '-o',
    `Dir::Etc::SourceList=${list}`,
    '-o',
    'Dir::Etc::SourceParts=-',
    '-o',
    `Dir::State::Lists=${join(home, 'lists')}`,
    '-o',
    `Dir::Cache=${join(home, 'cache')}`,
  ];
}

/** Where this machine has its Debian packages from; rejects on another system. */
async function ownMirror(): Promise<string> {
  const { stdout } = await exec('apt-get', ['indextargets', '--format', '$(SITE)|$(REPO_URI)']);
  const addresses = stdout.split('\n').map((line) => line.split('|').at(-1)?.trim() ?? '');
  const found = addresses.find((address) => /\/debian\/?$/.test(address));
  if (found === undefined) throw new Error('apt-get of this machine names no Debian mirror');
  return found.replace(/\/$/, '');
}

/** The file of a source package whose name matches, fetched once; rejects when Debian has it no more. */
export async function fetchSource(source: string, file: RegExp): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const known = (await readdir(CACHE)).find((name) => file.test(name));
  if (known !== undefined) return join(CACHE, known);
  const options = await apt();
  await exec('apt-get', [...options, 'update'], { maxBuffer: 1e8 });
  // Of a package some files may be gone; only the one that is needed must come.
  const tried = exec('apt-get', [...options, 'source', '--download-only', source], { cwd: CACHE });
  const error = await tried.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  const found = (await readdir(CACHE)).find((name) => file.test(name));
  if (found === undefined) throw new Error(`Debian does not have ${source} now`, { cause: error });
  return join(CACHE, found);
}

/** Unpacks an archive below the cache, once; resolves with the folder in it. */
export async function unpack(archive: string, folder: RegExp): Promise<string> {
  const find = async () => (await readdir(CACHE)).find((name) => folder.test(name));
  if ((await find()) === undefined) await exec('tar', ['xf', archive], { cwd: CACHE });
  const found = await find();
  if (found === undefined) throw new Error(`${archive} holds no ${String(folder)}`);
  return join(CACHE, found);
}

export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
