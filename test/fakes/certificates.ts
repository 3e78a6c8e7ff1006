import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** PEM texts. */
export type Certificate = { readonly key: string; readonly cert: string };

export type CertificateOptions = {
  readonly cn?: string;
  /** As OpenSSL writes it: `DNS:localhost,IP:127.0.0.1`, `email:ann@example.com`. */
  readonly san?: string;
  /** Below zero: it has expired. Default 20. */
  readonly days?: number;
  readonly key?: 'ec' | 'rsa' | 'rsa-pss' | 'ed25519';
  /** Hash of the signature; default sha256. */
  readonly digest?: 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512';
};

export const LOCALHOST = 'DNS:localhost,IP:127.0.0.1';

const KEYS = {
  ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  rsa: ['rsa:2048'],
  'rsa-pss': ['rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ed25519: ['ed25519'],
};

const openssl = (...args: string[]) => promisify(execFile)('openssl', args);

/** A fresh self-signed certificate, by default for localhost and 127.0.0.1. */
export async function makeCertificate(options: CertificateOptions = {}): Promise<Certificate> {
  return inFolder(async (dir) => {
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    await openssl('req', '-x509', ...request(key, options), '-days', days(options), '-out', cert);
    return read(key, cert);
  });
}

export type Authority = {
  /** Its own certificate. */
  readonly cert: string;
  issue(options?: CertificateOptions): Promise<Certificate>;
};

/** A certificate authority of its own. */
export async function makeAuthority(options: CertificateOptions = {}): Promise<Authority> {
  const made = await inFolder(async (dir) => {
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    const args = request(key, { cn: 'Test authority', ...options });
    const ca = ['-addext', 'basicConstraints=critical,CA:TRUE'];
    await openssl('req', '-x509', ...args, ...ca, '-days', '20', '-out', cert);
    return read(key, cert);
  });
  return {
    cert: made.cert,
    issue: (asked = {}) =>
      inFolder(async (dir) => {
        const file = (name: string): string => join(dir, name);
        await writeFile(file('ca.key'), made.key);
        await writeFile(file('ca.pem'), made.cert);
        await openssl('req', '-new', ...request(file('key.pem'), asked), '-out', file('csr'));
        const sign = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-copy_extensions', 'copy'];
        const how = ['-days', days(asked), `-${asked.digest ?? 'sha256'}`];
        await openssl(
          'x509',
          '-req',
          '-in',
          file('csr'),
          ...sign,
          ...how,
          '-out',
          file('cert.pem'),
        );
        return read(file('key.pem'), file('cert.pem'));
      }),
  };
}

/** The texts as files of a folder, the key as only its owner may read it; each is renamed into place. */
export async function writePem<T extends Readonly<Record<string, string>>>(
  dir: string,
  texts: T,
): Promise<{ [K in keyof T]: string }> {
  const files: Record<string, string> = {};
  for (const [name, text] of Object.entries(texts)) {
    const file = join(dir, `${name}.pem`);
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
    files[name] = file;
  }
  return files as { [K in keyof T]: string };
}

function request(
  keyFile: string,
  { cn = 'localhost', san, key = 'ec', digest }: CertificateOptions,
) {
  const names = ['-subj', `/CN=${cn}`, '-addext', `subjectAltName=${san ?? LOCALHOST}`];
  const hash = key === 'ed25519' ? [] : [`-${digest ?? 'sha256'}`];
  return ['-newkey', ...KEYS[key], '-nodes', '-keyout', keyFile, ...names, ...hash];
}

const days = ({ days: count = 20 }: CertificateOptions): string => String(count);

async function read(key: string, cert: string): Promise<Certificate> {
  return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
}

async function inFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-cert-'));
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}
