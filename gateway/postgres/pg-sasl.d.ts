// The part of node-postgres that is tried in the field and has no types of its own.
declare module 'pg/lib/crypto/sasl.js' {
  import type { Duplex } from 'node:stream';
  export type SaslSession = { readonly mechanism: string; readonly response: string };
  export const startSession: (
    mechanisms: readonly string[],
    tls: Duplex | null,
    maxIterations?: number,
  ) => SaslSession;
  /** Replaces `session.response`. */
  export const continueSession: (
    session: SaslSession,
    password: string,
    serverFirst: string,
    tls: Duplex | null,
  ) => Promise<void>;
  export const finalizeSession: (session: SaslSession, serverFinal: string) => void;
}
declare module 'pg/lib/crypto/cert-signatures.js' {
  /** `SHA-256`; throws for an algorithm that it does not know. */
  export const signatureAlgorithmHashFromCertificate: (der: Buffer) => string;
}
