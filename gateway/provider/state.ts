import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { z } from 'zod';
import { Store } from './store.ts';

/** What a sign-in rests on later; the rest (codes, pages that wait for a click) may be lost with the process. */
const KEPT = /^(?:Session|Grant|RefreshToken):/;
const SOON_MS = 200;

const File = z.object({
  keys: z.array(z.record(z.string(), z.unknown())).min(1),
  cookieKeys: z.array(z.string().min(32)).min(1),
  entries: z.array(
    z.tuple([
      z.string(),
      z.object({ payload: z.record(z.string(), z.unknown()), until: z.number() }),
    ]),
  ),
});

export type State = {
  readonly store: Store;
  readonly keys: readonly JWK[];
  readonly cookieKeys: readonly string[];
  /** Writes what has not been written yet. */
  close(): Promise<void>;
};

/**
 * Keys and sessions of the embedded provider, in one file of mode 0600, made at the first use. Rejects when others could
 * read it.
 */
export async function openState(path: string, onError: (error: unknown) => void): Promise<State> {
  const known = await readState(path);
  const { keys, cookieKeys } = known ?? (await makeKeys());
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  const write = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const entries = store.live().filter(([key]) => KEPT.test(key));
    const text = JSON.stringify({ keys, cookieKeys, entries });
    writing = writing.then(() => writePrivate(path, text)).catch(onError);
    return writing;
  };
  const store = new Store(known?.entries, (key) => {
    if (KEPT.test(key)) timer ??= setTimeout(() => void write(), SOON_MS).unref();
  });
  if (!known) await write();
  return {
    store,
    keys,
    cookieKeys,
    close: () => (timer === undefined ? writing : write()),
  };
}

async function readState(path: string): Promise<z.infer<typeof File> | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return undefined;
  // Windows has no such bits.
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0)
    throw new Error(`${path} holds keys and can be read by others: chmod 600 it, or remove it`);
  const parsed = File.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!parsed.success) throw new Error(`${path} cannot be read: remove it, and sign in anew`);
  return parsed.data;
}

async function makeKeys(): Promise<Pick<State, 'keys' | 'cookieKeys'>> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const kid = randomBytes(9).toString('base64url');
  return {
    keys: [{ ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' }],
    cookieKeys: [randomBytes(32).toString('base64url')],
  };
}

async function writePrivate(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, text, { mode: 0o600, flush: true });
  await rename(fresh, path);
}
