import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { userEnvironment } from '#src/config/user.ts';
import { Failure } from '../failure.ts';
import { openKeyring } from './keyring.ts';
import { readPrivate, writePrivate } from './private-file.ts';

const login = z.object({
  email: z.string(),
  /** ISO 8601. */
  expiresAt: z.string(),
  postgres: z.object({ host: z.string(), port: z.number(), tls: z.boolean() }),
  /** Files in PEM form: a client certificate and its key. */
  certificate: z.object({ key: z.string(), cert: z.string() }).optional(),
  /** Undefined: the keyring has it. */
  token: z.string().optional(),
});
const file = z.object({ current: z.string().optional(), logins: z.record(z.string(), login) });
type File = z.infer<typeof file>;

/** A sign-in that `countersign login` has made. */
export type StoredLogin = Omit<z.infer<typeof login>, 'token'> & {
  /** The address of the console, without a trailing slash. */
  readonly gateway: string;
  readonly token: string;
};

const NONE: File = { logins: {} };

export const loginFile = (): string => join(userEnvironment().folder, 'login.json');

/** Where certificate and key for a gateway are put. */
export function certificateFiles(gateway: string): { readonly key: string; readonly cert: string } {
  const name = gateway.replace(/^https?:\/\//u, '').replaceAll(/[^\w.-]/gu, '_');
  const path = join(userEnvironment().folder, name);
  return { key: `${path}.key`, cert: `${path}.crt` };
}

/** Of this gateway, or the last one made; undefined when there is none. Rejects with Failure when it cannot be trusted. */
export async function readLogin(gateway?: string): Promise<StoredLogin | undefined> {
  const { current, logins } = await readFile();
  const name = gateway ?? current;
  const found = name === undefined ? undefined : logins[name];
  if (name === undefined || !found) return undefined;
  const token = found.token ?? (await openKeyring(process.platform)?.get(name)) ?? '';
  if (token === '')
    throw new Failure(`the keyring does not give the token for ${name}`, {
      hint: 'unlock it, or sign in anew: countersign login',
    });
  return { ...found, gateway: name, token };
}

/** Keeps the token in the keyring where there is one, else in the file. Resolves with the name of the place. */
export async function saveLogin({ gateway, token, ...rest }: StoredLogin): Promise<string> {
  const { logins } = await readFile();
  const keyring = openKeyring(process.platform);
  const kept = (await keyring?.set(gateway, token)) ?? false;
  const entry = kept ? rest : { ...rest, token };
  await writeFile({ current: gateway, logins: { ...logins, [gateway]: entry } });
  return kept && keyring ? keyring.name : loginFile();
}

export async function removeLogin(gateway: string): Promise<void> {
  const { current, logins } = await readFile();
  const { token, certificate } = logins[gateway] ?? { token: '' };
  if (token === undefined) await openKeyring(process.platform)?.remove(gateway);
  for (const path of Object.values(certificate ?? {})) await rm(path, { force: true });
  const left = Object.fromEntries(Object.entries(logins).filter(([name]) => name !== gateway));
  const next = current === gateway ? Object.keys(left)[0] : current;
  await writeFile({ ...(next !== undefined && { current: next }), logins: left });
}

async function readFile(): Promise<File> {
  const text = await readPrivate(loginFile());
  if (text === undefined) return NONE;
  try {
    return file.parse(JSON.parse(text));
  } catch (cause) {
    throw new Failure(`${loginFile()} is not what countersign login writes`, {
      hint: 'take it away, then: countersign login',
      cause,
    });
  }
}

const writeFile = (content: File): Promise<void> =>
  writePrivate(loginFile(), `${JSON.stringify(content, undefined, 2)}\n`);
