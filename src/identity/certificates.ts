import { X509Certificate, createHash, createPublicKey, type KeyObject } from 'node:crypto';
import type { Database } from '../store/database.ts';
import type { Authority } from './ca.ts';
import type { TokenInfo, Tokens } from './token.ts';
import { LIVE } from './tokens.ts';

/** A certificate that this installation has issued. */
export type Known = {
  readonly person: string;
  /** Id of the token that it ends with. */
  readonly token: string;
  /** In date, not revoked, and signed by the authority that it was issued by. */
  readonly live: boolean;
};

export type Issued = {
  /** PEM. */
  readonly certificate: string;
  readonly expiresAt: Date;
};

/** A key was refused; the message may be shown. */
export class UnfitKey extends Error {
  override name = 'UnfitKey';
}

/** Client certificates in the store, shared by all gateways; each ends with the token that it was issued for. */
export interface Certificates {
  /** For the person of this token, as long as it, at most `lifetimeMs`. Recorded as a token. Rejects with UnfitKey. */
  issue(token: TokenInfo, publicKey: string, lifetimeMs: number): Promise<Issued>;
  /** Undefined for a certificate that was not issued here. */
  find(shown: X509Certificate): Promise<Known | undefined>;
}

const LEAST_RSA_BITS = 2048;

export function openCertificates(
  db: Database,
  tokens: Tokens,
  authority: () => Promise<Authority>,
): Certificates {
  return {
    async issue(parent, text, lifetimeMs) {
      const publicKey = keyOf(text);
      const until = Math.min(Date.now() + lifetimeMs, Date.parse(parent.expiresAt));
      // Certificates know whole seconds.
      const expiresAt = new Date(Math.floor(until / 1_000) * 1_000);
      const signer = await authority();
      const made = signer.issue(parent.person, publicKey, expiresAt);
      const label = `certificate ${made.serialNumber.slice(0, 8).toLowerCase()} of ${parent.label}`;
      const { info } = await tokens.issue(
        parent.person,
        ['connect'],
        label,
        expiresAt.getTime() - Date.now(),
        { parent: parent.id, password: false },
      );
      await db.pool.query(
        'insert into countersign.client_certificate (sha256, token, authority, expires_at) values ($1, $2, $3, $4)',
        [digest(made), info.id, signer.cert, expiresAt],
      );
      return { certificate: made.toString(), expiresAt };
    },

    async find(shown) {
      const { rows } = await db.pool.query<{
        token: string;
        person: string;
        authority: string;
        live: boolean;
      }>(
        `select c.token, token.person, c.authority, c.expires_at > clock_timestamp() and ${LIVE} as live
         from countersign.client_certificate c join countersign.token on token.id = c.token where c.sha256 = $1`,
        [digest(shown)],
      );
      const row = rows[0];
      if (!row) return undefined;
      const signed = shown.verify(new X509Certificate(row.authority).publicKey);
      return { person: row.person, token: row.token, live: row.live && signed };
    },
  };
}

const digest = ({ raw }: X509Certificate): Buffer => createHash('sha256').update(raw).digest();

function keyOf(text: string): KeyObject {
  let key: KeyObject;
  try {
    // What holds a private key is refused: it should never have come here.
    if (!text.includes('-----BEGIN PUBLIC KEY-----')) throw new Error('not SPKI');
    key = createPublicKey({ key: text, format: 'pem', type: 'spki' });
  } catch (cause) {
    throw new UnfitKey('public_key is no public key in PEM form (SPKI).', { cause });
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const curve = details?.namedCurve;
  const fits =
    type === 'ed25519' ||
    (type === 'ec' && (curve === 'prime256v1' || curve === 'secp384r1')) ||
    (type === 'rsa' && (details?.modulusLength ?? 0) >= LEAST_RSA_BITS);
  if (fits) return key;
  throw new UnfitKey(
    'public_key must be EC (P-256, P-384), Ed25519, or RSA with 2048 bits or more.',
  );
}
