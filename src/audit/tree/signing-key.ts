import { createPublicKey, sign, type KeyObject } from 'node:crypto';

/** A private Ed25519 key, wherever it is kept. */
export type SigningKey = {
  readonly key: KeyObject;
  /** Resolves with 64 bytes; rejects when the key cannot be asked. */
  sign(message: Buffer): Promise<Buffer>;
};

/** The key in use, and those before it as long as they are kept: only they can say which key follows them. */
export type Keys = {
  readonly current: SigningKey;
  readonly retired: readonly SigningKey[];
  close(): Promise<void>;
};

/** Signs on the thread pool, so that the thread that serves statements does not wait for it. */
export const signingKey = (key: KeyObject): SigningKey => ({
  key: createPublicKey(key),
  sign: (message) =>
    new Promise((resolve, reject) => {
      sign(undefined, message, key, (error, made) => (error ? reject(error) : resolve(made)));
    }),
});
