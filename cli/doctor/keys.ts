import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { signerKey } from '#src/config/audit.ts';
import type { Config } from '#src/config/config.ts';
import { certificates, tlsFiles, type CertificateFact } from '#src/config/tls.ts';
import type { Check } from './check.ts';

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

/** Certificates that are good for a while, keys that only we may read, rules that only the operator may change. */
export async function checkKeys(config: Config, file: string): Promise<readonly Check[]> {
  const { keys } = tlsFiles(config);
  const facts = await certificates(config);
  const secret = [...keys, join(config.dataDir, 'store-password'), ...ownSigner(config)];
  const ours = [file, config.policies, config.dataDir];
  const wrong = [
    ...(await Promise.all(secret.map((path) => tooOpen(path, 0o077, 'read')))),
    ...(await Promise.all(ours.map((path) => tooOpen(path, 0o022, 'change')))),
  ].filter((check) => check !== undefined);
  const files: Check = { what: 'file modes', state: 'ok', found: 'keys and rules are ours alone' };
  return [
    ...facts.map((fact) => certificate(fact, Date.now())),
    ...wrong,
    ...(wrong.length > 0 ? [] : [files]),
  ];
}

const ownSigner = (config: Config): string[] =>
  config.audit && !config.audit.signer ? [signerKey(config)] : [];

export function certificate(fact: CertificateFact, now: number): Check {
  const what = `certificate ${fact.file}`;
  if ('problem' in fact)
    return { what, state: 'fail', found: fact.problem, next: 'correct tls: in the configuration' };
  const days = Math.floor((fact.notAfter.getTime() - now) / DAY_MS);
  const state = days < 0 ? 'fail' : days < SOON_DAYS ? 'warn' : 'ok';
  return {
    what,
    state,
    found: `${fact.subject}, ${days < 0 ? 'expired' : 'expires'} ${fact.notAfter.toISOString().slice(0, 10)}`,
    ...(state !== 'ok' && { next: 'put a new one in its place; it is read without a restart' }),
  };
}

/** Undefined when nobody but the owner may, or when there is no such file. */
async function tooOpen(
  path: string,
  bits: number,
  may: 'read' | 'change',
): Promise<Check | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found || (found.mode & bits) === 0) return undefined;
  const mode = (found.mode & 0o777).toString(8);
  return {
    what: `file modes of ${path}`,
    state: may === 'read' && (found.mode & 0o007) === 0 ? 'warn' : 'fail',
    found: `others may ${may} it (${mode})`,
    next: `chmod ${may === 'read' ? 'go-rwx' : 'go-w'} ${path}`,
  };
}
