import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * The private Ed25519 key of a signer or witness, in PEM (PKCS #8). It is made when there is no file yet. Rejects when
 * others may read the file, or when it holds another kind of key.
 */
export async function openKeyFile(path: string): Promise<KeyObject> {
  const text = (await readKey(path)) ?? (await makeKey(path));
  const key = createPrivateKey(text);
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${path} holds no Ed25519 key`);
  return key;
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
