import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * The private Ed25519 key of a signer or witness, in PEM (PKCS #8). It is made when there is no file yet. Rejects when
 * others may read the file, or when it holds another kind of key.
 */
export async function openKeyFile(path: string): Promise<KeyObject> {
  return parse(path, (await readKey(path)) ?? (await makeKey(path)));
}

/** The same of a file that is there; rejects otherwise. */
export async function readKeyFile(path: string): Promise<KeyObject> {
  const text = await readKey(path);
  if (text === undefined) throw new Error(`${path} is not there any more`);
  return parse(path, text);
}

function parse(path: string, text: string): KeyObject {
  const key = createPrivateKey(text);
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${path} holds no Ed25519 key`);
  return key;
}

/** The keys that `rotateKeyFile` has put beside this one, as long as nobody has taken them away. */
export async function retiredKeys(path: string): Promise<readonly KeyObject[]> {
  const [folder, front] = [dirname(path), `${basename(path)}.`];
  const names = await readdir(folder);
  const files = names.filter(
    (name) => name.startsWith(front) && /^[\da-f]{16}$/.test(name.slice(front.length)),
  );
  return Promise.all(
    files.map(async (name) => {
      const file = join(folder, name);
      return parse(file, (await readKey(file)) ?? '');
    }),
  );
}

/** Makes a new key in the place of the one at `path`, which is kept beside it. Resolves with both. */
export async function rotateKeyFile(
  path: string,
): Promise<{ readonly old: KeyObject; readonly key: KeyObject; readonly kept: string }> {
  const old = await openKeyFile(path);
  const raw = createPublicKey(old).export({ format: 'der', type: 'spki' }).subarray(-32);
  const kept = `${path}.${raw.toString('hex').slice(0, 16)}`;
  const draft = `${path}.new`;
  const key = parse(draft, await makeKey(draft));
  // A crash in between leaves the old key in use.
  await link(path, kept).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rename(draft, path);
  return { old, key, kept };
}

async function readKey(path: string): Promise<string | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!found) return undefined;
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0)
    throw new Error(`${path} can be read by others; run: chmod 600 ${path}`);
  return readFile(path, 'utf8');
}

async function makeKey(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync('ed25519');
  const text = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
    return text;
  } catch (error) {
    // Somebody else was quicker.
    const other = await readKey(path).catch(() => undefined);
    if (other === undefined) throw error;
    return other;
  }
}

const retiredFile = (path: string): string => `${path}.retired`;

/** The verifier keys of a log that `rotateSignerKey` has put down, the oldest first. */
export async function retiredVkeys(path: string): Promise<readonly string[]> {
  const text = await readFile(retiredFile(path), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').filter((line) => line !== '');
}

/**
 * Makes a new key in the place of a log's signer's, and puts the verifier key of the old one down beside it: nobody needs its
 * private key any more, so that is removed. Resolves with both keys.
 */
export async function rotateSignerKey(
  path: string,
  vkeyOf: (key: KeyObject) => string,
): Promise<{ readonly old: string; readonly vkey: string }> {
  const old = vkeyOf(await openKeyFile(path));
  if (!(await retiredVkeys(path)).includes(old)) {
    await using file = await open(retiredFile(path), 'a', 0o600);
    await file.writeFile(`${old}\n`);
    await file.sync();
  }
  const { key, kept } = await rotateKeyFile(path);
  await unlink(kept);
  return { old, vkey: vkeyOf(key) };
}
