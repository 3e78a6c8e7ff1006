import { type KeyObject, verify } from 'node:crypto';
import { refuse } from './refuse.ts';

const MORE = 'http://www.w3.org/2001/04/xmldsig-more#';
const ENC = 'http://www.w3.org/2001/04/xmlenc#';

/** Names as in RFC 9231. SHA-1, DSA and HMAC are not among them, so they are unknown here. */
const SIGNATURES: ReadonlyMap<string, { readonly hash: string; readonly key: 'rsa' | 'ec' }> =
  new Map([
    [`${MORE}rsa-sha256`, { hash: 'sha256', key: 'rsa' }],
    [`${MORE}rsa-sha384`, { hash: 'sha384', key: 'rsa' }],
    [`${MORE}rsa-sha512`, { hash: 'sha512', key: 'rsa' }],
    [`${MORE}ecdsa-sha256`, { hash: 'sha256', key: 'ec' }],
    [`${MORE}ecdsa-sha384`, { hash: 'sha384', key: 'ec' }],
    [`${MORE}ecdsa-sha512`, { hash: 'sha512', key: 'ec' }],
  ]);

const DIGESTS: ReadonlyMap<string, string> = new Map([
  [`${ENC}sha256`, 'sha256'],
  [`${MORE}sha384`, 'sha384'],
  [`${ENC}sha512`, 'sha512'],
]);

/** Node's name of a digest algorithm's URI. */
export const digestName = (uri: string): string =>
  DIGESTS.get(uri) ??
  refuse('it is digested with SHA-1 or an unknown algorithm; SHA-256 is the least');

/**
 * True when one of the keys has signed these bytes. The algorithm must fit the kind of the key, so that a public key
 * is never taken for a secret. ECDSA comes as r and s, one after the other (RFC 9231, 2.3.6).
 */
export function isSigned(
  uri: string,
  bytes: Buffer,
  signature: Buffer,
  keys: readonly KeyObject[],
): boolean {
  const algorithm =
    SIGNATURES.get(uri) ??
    refuse(
      'it is signed with SHA-1, HMAC or an unknown algorithm; RSA or ECDSA with SHA-256 is the least',
    );
  return keys
    .filter((key) => key.asymmetricKeyType === algorithm.key)
    .some((key) => verify(algorithm.hash, bytes, { key, dsaEncoding: 'ieee-p1363' }, signature));
}

/** Bytes of Base64 that may be broken into lines. */
export function fromBase64(text: string): Buffer {
  const plain = text.replaceAll(/[ \t\r\n]/g, '');
  if (plain === '' || plain.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(plain))
    refuse('it is not Base64');
  return Buffer.from(plain, 'base64');
}
