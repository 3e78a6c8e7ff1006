import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Config, ServerTlsConfig, TargetTlsConfig } from './config.ts';
import { readSecretFile } from './secrets.ts';

/** PEM texts of the gateway's own certificate. */
export type ServerPem = { readonly key: string; readonly cert: string; readonly clientCa?: string };

/** PEM texts for connections to a target; `cert` and `key` come together. */
export type TargetPem = { readonly ca?: string; readonly cert?: string; readonly key?: string };

/** A certificate that the configuration names, or why there is none. A file may hold several. */
export type CertificateFact =
  | { readonly file: string; readonly subject: string; readonly notAfter: Date }
  | { readonly file: string; readonly problem: string };

/** Rejects, naming the file and what is wrong with it, when certificate and key are not a pair. */
export async function readServerPem(tls: ServerTlsConfig): Promise<ServerPem> {
  const pair = await readPair(tls.cert, tls.key);
  return tls.clientCa === undefined
    ? pair
    : { ...pair, clientCa: await readCertificates(tls.clientCa) };
}

/** As readServerPem, for the files of a target; no file is a must. */
export async function readTargetPem({ ca, cert, key }: TargetTlsConfig): Promise<TargetPem> {
  return {
    ...(ca !== undefined && { ca: await readCertificates(ca) }),
    ...(cert !== undefined && key !== undefined && (await readPair(cert, key))),
  };
}

/** The files under `tls`, and those of every target that is reached over TLS. */
export function tlsFiles({ tls, targets }: Pick<Config, 'tls' | 'targets'>): {
  readonly certificates: readonly string[];
  readonly keys: readonly string[];
} {
  const reached = [...targets.values()]
    .map((target) => target.tls)
    .filter(({ mode }) => mode !== 'disable');
  return {
    certificates: named([
      tls?.cert,
      tls?.clientCa,
      ...reached.flatMap(({ ca, cert }) => [ca, cert]),
    ]),
    keys: named([tls?.key, ...reached.map(({ key }) => key)]),
  };
}

/** Every certificate that the configuration names, as its file holds it now. Never rejects. */
export async function certificates(
  config: Pick<Config, 'tls' | 'targets'>,
): Promise<readonly CertificateFact[]> {
  const facts = tlsFiles(config).certificates.map(async (file): Promise<CertificateFact[]> => {
    try {
      return parse(file, await readText(file)).map((certificate) => ({
        file,
        subject: certificate.subject?.replaceAll('\n', ', ') ?? '',
        notAfter: new Date(certificate.validTo),
      }));
    } catch (error) {
      return [{ file, problem: error instanceof Error ? error.message : 'cannot be read' }];
    }
  });
  return (await Promise.all(facts)).flat();
}

async function readPair(certFile: string, keyFile: string): Promise<{ cert: string; key: string }> {
  const cert = await readText(certFile);
  const [leaf] = parse(certFile, cert);
  const key = await readSecretFile(keyFile);
  if (!leaf?.checkPrivateKey(privateKey(keyFile, key)))
    throw new Error(`${keyFile} is not the key of ${certFile}: replace both together`);
  return { cert, key };
}

async function readCertificates(file: string): Promise<string> {
  const text = await readText(file);
  parse(file, text);
  return text;
}

function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => {
    throw new Error(`there is no readable file ${file}`);
  });
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** At least one; in a file with a chain the first is the certificate itself. */
function parse(file: string, text: string): X509Certificate[] {
  const blocks = text.match(BLOCK) ?? [];
  if (blocks.length === 0) throw new Error(`${file} holds no certificate in PEM form`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new Error(`${file} holds a certificate that cannot be read`, { cause });
  }
}

function privateKey(file: string, text: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new Error(`${file} holds no private key in PEM form without a passphrase`, { cause });
  }
}

const named = (files: readonly (string | undefined)[]): string[] => [
  ...new Set(files.filter((file) => file !== undefined)),
];
