import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { SamlConfig } from '../../config/identity.ts';
import { readSecretFile } from '../../config/secrets.ts';
import { NotSetUp } from './refuse.ts';

/** What a provider's files hold now. */
export type Files = {
  /** The provider's keys: old and new ones while it changes them. */
  readonly keys: readonly KeyObject[];
  readonly own?: Own;
};
export type Own = {
  readonly key: KeyObject;
  /** PEM. */
  readonly pem: string;
  readonly certificate: string;
};

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const LEAST_RSA_BITS = 2048;
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];

/**
 * Reads the files anew, so that a changed one counts at the next sign-in. A certificate is a key that the operator has
 * pinned: when it ends and who has issued it is not looked at. Rejects with NotSetUp, naming the file.
 */
export async function readFiles(config: SamlConfig): Promise<Files> {
  const pems = certificatesIn(await readText(config.cert), config.cert);
  const keys = pems.map((pem) => usableKey(pem, config.cert));
  const { key, certificate } = config;
  if (key === undefined || certificate === undefined) return { keys };
  return { keys, own: await readOwn(key, certificate) };
}

async function readOwn(keyFile: string, certificateFile: string): Promise<Own> {
  const pem = await readSecretFile(keyFile).catch((error: Error) => {
    throw new NotSetUp(error.message);
  });
  const key = privateKey(pem, keyFile);
  const [certificate = ''] = certificatesIn(await readText(certificateFile), certificateFile);
  if (!parsed(certificate, certificateFile).checkPrivateKey(key))
    throw new NotSetUp(`${certificateFile} does not belong to ${keyFile}: name a pair`);
  return { key, pem, certificate };
}

function privateKey(pem: string, file: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new NotSetUp(
      `${file} holds no private key that can be read: write one as PEM, without a passphrase`,
    );
  }
  if (key.asymmetricKeyType !== 'rsa' || bits(key) < LEAST_RSA_BITS)
    throw new NotSetUp(
      `${file} is no RSA key of ${LEAST_RSA_BITS} bits or more: SAML encrypts for no other`,
    );
  return key;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    throw new NotSetUp(`${file} cannot be read: create it, or name another in identity.providers`);
  }
}

function certificatesIn(text: string, file: string): readonly string[] {
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0) throw new NotSetUp(`${file} holds no certificate: write it there as PEM`);
  return found;
}

function parsed(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new NotSetUp(`${file} holds a certificate that cannot be read: write it there as PEM`);
  }
}

function usableKey(pem: string, file: string): KeyObject {
  const { publicKey } = parsed(pem, file);
  const curve = publicKey.asymmetricKeyDetails?.namedCurve ?? '';
  const usable =
    publicKey.asymmetricKeyType === 'rsa'
      ? bits(publicKey) >= LEAST_RSA_BITS
      : publicKey.asymmetricKeyType === 'ec' && CURVES.includes(curve);
  if (!usable)
    throw new NotSetUp(
      `${file} holds a certificate with a weak or unusual key: RSA with ${LEAST_RSA_BITS} bits, or ECDSA on P-256, P-384 or P-521, is the least`,
    );
  return publicKey;
}

const bits = (key: KeyObject): number => key.asymmetricKeyDetails?.modulusLength ?? 0;
