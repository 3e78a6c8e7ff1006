import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Encrypts what the store keeps for a provider and must give back: refresh tokens, id tokens. */
export type Vault = {
  /** `use` must be the same when it is opened: bytes moved to another row or column do not open there. */
  seal(text: string, use: string): Buffer;
  /** Undefined for what another key has sealed, or what was changed since. */
  open(bytes: Buffer, use: string): string | undefined;
};

const FILE = 'identity.key';
const KEY_BYTES = 32;
const VERSION = 1;
const NONCE = 12;
const TAG = 16;
const HEAD = 5;

/**
 * AES-256-GCM under the key in `identity.key` (32 bytes, mode 0600) of this folder, which is made at the first start. A
 * gateway that shall read what others sealed needs a copy of it. Rejects when the file is readable by others or damaged.
 */
export async function openVault(dataDir: string): Promise<Vault> {
  const key = await readKey(join(dataDir, FILE), dataDir);
  const mark = createHash('sha256').update(key).digest().subarray(0, 4);
  const head = Buffer.concat([Buffer.of(VERSION), mark]);
  return {
    seal(text, use) {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(use));
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([head, nonce, cipher.getAuthTag(), sealed]);
    },
    open(bytes, use) {
      if (bytes.length < HEAD + NONCE + TAG || !bytes.subarray(0, HEAD).equals(head))
        return undefined;
      const nonce = bytes.subarray(HEAD, HEAD + NONCE);
      const tag = bytes.subarray(HEAD + NONCE, HEAD + NONCE + TAG);
      const cipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG })
        .setAAD(Buffer.from(use))
        .setAuthTag(tag);
      try {
        const rest = bytes.subarray(HEAD + NONCE + TAG);
        return Buffer.concat([cipher.update(rest), cipher.final()]).toString('utf8');
      } catch {
        return undefined;
      }
    },
  };
}

async function readKey(path: string, folder: string): Promise<Buffer> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await makeKey(path);
  const [key, { mode }] = await Promise.all([readFile(path), stat(path)]);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new Error(
      `${path} can be read by others; keep it to the gateway's own user: chmod 600 ${path}`,
    );
  if (key.length !== KEY_BYTES)
    throw new Error(
      `${path} must hold ${KEY_BYTES} bytes; put the copy back, or remove it: people then sign in again`,
    );
  return key;
}

/** Whole or not at all, however many processes start at once: written beside, then linked. */
async function makeKey(path: string): Promise<void> {
  if (await stat(path).catch(() => undefined)) return;
  const beside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(beside, randomBytes(KEY_BYTES), { mode: 0o600, flag: 'wx' });
  await chmod(beside, 0o600);
  try {
    await link(beside, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await unlink(beside);
  }
}
