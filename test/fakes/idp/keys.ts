import { randomUUID } from 'node:crypto';
import {
  exportJWK,
  generateKeyPair,
  importJWK,
  SignJWT,
  type JWK,
  type JWTHeaderParameters,
} from 'jose';

export type SigningKey = JWK & { readonly kid: string };

export async function makeKey(): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: 'RS256', use: 'sig' };
}

/** Signs whatever it is given, with `header` over what is usual. */
export async function signWith(
  key: SigningKey | undefined,
  claims: Readonly<Record<string, unknown>>,
  header: Partial<JWTHeaderParameters>,
): Promise<string> {
  if (!key) throw new Error('no key');
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...header, kid: header.kid ?? key.kid })
    .sign(await importJWK(key, 'RS256'));
}
