import { X509Certificate, createHash } from 'node:crypto';
import { signatureAlgorithmHashFromCertificate } from 'pg/lib/crypto/cert-signatures.js';

// RFC 5929 section 4.1: MD5 and SHA-1 become SHA-256. What is not here, node-postgres cannot compute either.
const HASHES: ReadonlyMap<string, string> = new Map([
  ['MD5', 'sha256'],
  ['SHA-1', 'sha256'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
]);
/** Ed25519 and Ed448 sign without a hash of their own: for them the RFC defines nothing, and PostgreSQL fails. */
const WITHOUT_HASH: ReadonlySet<string> = new Set(['1.3.101.112', '1.3.101.113']);

/**
 * Channel binding data `tls-server-end-point` (RFC 5929): the hash of a server's certificate in DER form, with the hash
 * of its signature. Undefined for a certificate that no channel can be bound to.
 */
export function serverEndPoint(certificate: Buffer): Buffer | undefined {
  const { signatureAlgorithmOid } = new X509Certificate(certificate);
  if (WITHOUT_HASH.has(signatureAlgorithmOid)) return undefined;
  const hash = HASHES.get(signatureHash(certificate));
  return hash === undefined ? undefined : createHash(hash).update(certificate).digest();
}

function signatureHash(certificate: Buffer): string {
  try {
    return signatureAlgorithmHashFromCertificate(certificate);
  } catch {
    return '';
  }
}
