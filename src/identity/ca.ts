import {
  X509Certificate,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import { link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bits,
  boolean,
  context,
  integer,
  octets,
  oid,
  sequence,
  set,
  time,
  utf8,
  type Der,
} from './der.ts';

/** The installation's own authority for client certificates. */
export type Authority = {
  /** Its own certificate, PEM. */
  readonly cert: string;
  /** A certificate that proves to be this person, in a client's TLS, and nothing else. `email` must be ASCII. */
  issue(email: string, publicKey: KeyObject, notAfter: Date): X509Certificate;
};

const FILE = 'client-ca.pem';
const YEARS = 10;
const YEAR_MS = 365 * 86_400_000;
/** Clocks differ. */
const EARLIER_MS = 5 * 60_000;
const LONGEST_CN = 64;

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extKeyUsage: '2.5.29.37',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  subjectAltName: '2.5.29.17',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
};

/**
 * Key (ECDSA P-256) and certificate are in `client-ca.pem` of this folder, mode 0600, made at the first use. Rejects when
 * others can read the file or it is damaged.
 */
export async function openAuthority(dataDir: string): Promise<Authority> {
  const path = join(dataDir, FILE);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const [text, { mode }] = await Promise.all([readOrMake(path), stat(path).catch(notYet)]);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new Error(
      `${path} can be read by others; whoever has it is everybody: take it away, and people get new certificates`,
    );
  const key = createPrivateKey(text);
  const own = new X509Certificate(text);
  if (!own.checkPrivateKey(key))
    throw new Error(`${path} is damaged: take it away, and people get new certificates`);
  return {
    cert: own.toString(),
    issue: (email, publicKey, notAfter) => {
      if (!/^[\x21-\x7e]+$/u.test(email))
        throw new Error('an address with other than ASCII letters fits into no certificate');
      return certificate({
        signer: key,
        issuer: nameOf(own.subject.replace(/^CN=/u, '')),
        subject: nameOf(email.length <= LONGEST_CN ? email : ''),
        publicKey,
        notAfter,
        extensions: [
          extension(OID.basicConstraints, sequence(), true),
          extension(OID.keyUsage, bits(Buffer.of(0x80), 7), true),
          extension(OID.extKeyUsage, sequence(oid(OID.clientAuth))),
          // rfc822Name; critical when there is no subject (RFC 5280 section 4.2.1.6).
          extension(
            OID.subjectAltName,
            sequence(context(1, Buffer.from(email), false)),
            email.length > LONGEST_CN,
          ),
          extension(
            OID.authorityKeyIdentifier,
            sequence(context(0, keyId(createPublicKey(key)), false)),
          ),
        ],
      });
    },
  };
}

const notYet = () => ({ mode: 0o600 });

/** A second process that starts at the same moment must find the same key: the first to link it wins. */
async function readOrMake(path: string): Promise<string> {
  const found = await readFile(path, 'utf8').catch(() => undefined);
  if (found !== undefined) return found;
  const beside = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(beside, makeAuthority(), { mode: 0o600, flag: 'wx', flush: true });
  try {
    await link(beside, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await unlink(beside);
  }
  return readFile(path, 'utf8');
}

function makeAuthority(): string {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = nameOf(`Countersign clients ${randomBytes(4).toString('hex')}`);
  const made = certificate({
    signer: privateKey,
    issuer: name,
    subject: name,
    publicKey,
    notAfter: new Date(Date.now() + YEARS * YEAR_MS),
    extensions: [
      extension(OID.basicConstraints, sequence(boolean(true), integer(Buffer.of(0))), true),
      // keyCertSign
      extension(OID.keyUsage, bits(Buffer.of(0x04), 2), true),
      extension(OID.subjectKeyIdentifier, octets(keyId(publicKey))),
    ],
  });
  return made.toString() + privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

type ToSign = {
  readonly signer: KeyObject;
  readonly issuer: Der;
  readonly subject: Der;
  readonly publicKey: KeyObject;
  readonly notAfter: Date;
  readonly extensions: readonly Der[];
};

/** X.509 version 3 (RFC 5280 section 4.1), signed with ECDSA and SHA-256. */
function certificate(wanted: ToSign): X509Certificate {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const toSign = sequence(
    context(0, integer(Buffer.of(2))),
    integer(randomBytes(16)),
    algorithm,
    wanted.issuer,
    sequence(time(new Date(Date.now() - EARLIER_MS)), time(wanted.notAfter)),
    wanted.subject,
    wanted.publicKey.export({ type: 'spki', format: 'der' }),
    context(3, sequence(...wanted.extensions)),
  );
  const signature = sign('sha256', toSign, wanted.signer);
  return new X509Certificate(sequence(toSign, algorithm, bits(signature)));
}

/** With a CN, or empty. */
const nameOf = (commonName: string): Der =>
  commonName === '' ? sequence() : sequence(set(sequence(oid(OID.commonName), utf8(commonName))));

const extension = (id: string, value: Der, critical = false): Der =>
  sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));

/** SHA-1 of the key's bits, as RFC 5280 section 4.2.1.2 has it: a name, not a proof. */
function keyId(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const point = Buffer.concat([
    Buffer.of(4),
    Buffer.from(x, 'base64url'),
    Buffer.from(y, 'base64url'),
  ]);
  return createHash('sha1').update(point).digest();
}
