import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ScramSecrets } from './token.ts';

/** Iterations of every verifier; RFC 7677 asks for at least 4096, and tokens have 256 bits of their own. */
export const ITERATIONS = 4096;

export type Scram = {
  /** To be sent as it is. */
  readonly serverFirst: string;
  /** Undefined when the proof fits none of the verifiers, or the message is not what the exchange allows. */
  finish(clientFinal: string): { readonly serverFinal: string; readonly token: string } | undefined;
};

/** The channel that the exchange runs in. */
export type Channel = {
  /** `tls-server-end-point` of the server's certificate (RFC 5929); undefined where SCRAM-SHA-256-PLUS was not offered. */
  readonly endPoint?: Buffer | undefined;
  /** The client chose SCRAM-SHA-256-PLUS. */
  readonly plus?: boolean;
};

/** The two ends do not see the same channel. The message is for the client, and the cause may be an attack. */
export class ScramRefused extends Error {
  override name = 'ScramRefused';
}

/** gs2-header, then client-first-message-bare (RFC 5802 section 7); `m=` and an authorization identity do not fit. */
const CLIENT_FIRST =
  /^((?:[ny]|p=([A-Za-z0-9.-]+)),,)(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-ln-z]=[^,]+)*)$/;
const CLIENT_FINAL =
  /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-ln-z]=[^,]+)*),p=([A-Za-z0-9+/]{43}=)$/;

/**
 * The server's side of one SCRAM-SHA-256 or SCRAM-SHA-256-PLUS exchange (RFC 5802, RFC 7677). The user name in
 * client-first is ignored, as PostgreSQL does: the startup packet named the person. Undefined for a message that
 * is malformed, demands an extension, or does not fit the mechanism. Throws ScramRefused, as `finish` does too.
 */
export function startScram(
  clientFirst: string,
  secrets: ScramSecrets,
  channel: Channel = {},
  nonce = randomBytes(18).toString('base64'),
): Scram | undefined {
  const first = CLIENT_FIRST.exec(clientFirst);
  if (!first) return undefined;
  const [, header = '', type, bare = '', clientNonce = ''] = first;
  if ((type !== undefined) !== (channel.plus === true)) return undefined;
  const bound = boundTo(header, type, channel);
  const both = clientNonce + nonce;
  const serverFirst = `r=${both},s=${secrets.salt.toString('base64')},i=${secrets.iterations}`;
  return {
    serverFirst,
    finish(clientFinal) {
      const final = CLIENT_FINAL.exec(clientFinal);
      if (!final) return undefined;
      const [, withoutProof = '', binding = '', echoed = '', proof = ''] = final;
      if (echoed !== both) return undefined;
      if (binding !== bound) {
        if (channel.plus) throw new ScramRefused('SCRAM channel binding check failed');
        return undefined;
      }
      const message = `${bare},${serverFirst},${withoutProof}`;
      const found = matching(secrets, message, Buffer.from(proof, 'base64'));
      if (!found) return undefined;
      return {
        serverFinal: `v=${hmac(found.serverKey, message).toString('base64')}`,
        token: found.token,
      };
    },
  };
}

/** What `c=` must be (RFC 5802 section 6). */
function boundTo(header: string, type: string | undefined, { endPoint }: Channel): string {
  if (type !== undefined && type !== 'tls-server-end-point')
    throw new ScramRefused(`unsupported SCRAM channel-binding type "${type}"`);
  // Somebody has taken the better mechanism out of our offer.
  if (header.startsWith('y') && endPoint)
    throw new ScramRefused(
      'the client supports SCRAM channel binding but thinks the gateway does not, and it does',
    );
  const data = type !== undefined && endPoint ? endPoint : Buffer.alloc(0);
  return Buffer.concat([Buffer.from(header), data]).toString('base64');
}

// Tries all of them, whichever fits, so that time says nothing about which and how many.
function matching(secrets: ScramSecrets, message: string, proof: Buffer) {
  let found: ScramSecrets['verifiers'][number] | undefined;
  for (const verifier of secrets.verifiers) {
    const signature = hmac(verifier.storedKey, message);
    const clientKey = Buffer.from(proof.map((byte, i) => byte ^ (signature[i] ?? 0)));
    if (timingSafeEqual(sha256(clientKey), verifier.storedKey)) found = verifier;
  }
  return found;
}

/** StoredKey and ServerKey of a password (RFC 5802 section 3). About 2 ms: only where tokens are issued. */
export function scramKeys(
  password: string,
  salt: Buffer,
  iterations = ITERATIONS,
): { readonly storedKey: Buffer; readonly serverKey: Buffer } {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  return {
    storedKey: sha256(hmac(salted, 'Client Key')),
    serverKey: hmac(salted, 'Server Key'),
  };
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
