import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Client, type ClientConfig } from 'pg';
import type { TargetConfig } from '#src/config/config.ts';
import { targetEncryption } from '../encryption.ts';
import { serverEndPoint } from '../end-point.ts';

type Offer = { readonly mechanisms: readonly string[] };

// What ScramClient overrides; node-postgres has no option for it.
declare module 'pg' {
  interface Client {
    enableChannelBinding: boolean;
    _handleAuthCleartextPassword(): void;
    _handleAuthMD5Password(): void;
    _handleAuthSASL(message: Offer): void;
  }
}

const PLUS = 'SCRAM-SHA-256-PLUS';

/**
 * node-postgres for a target: its TLS settings, and a password for nobody but who proves by SCRAM to know it. Connected;
 * rejects when the target asks for the password in another way.
 */
export async function connectClient(
  { host, port, tls }: Pick<TargetConfig, 'host' | 'port' | 'tls'>,
  config: ClientConfig,
): Promise<Client> {
  const ssl = await targetEncryption({ host, tls });
  const client = new ScramClient(
    { ...config, host, port, ssl, enableChannelBinding: ssl !== false },
    tls,
  );
  // A connection that breaks while idle must not end the process; its owner sees it at the next use.
  client.on('error', () => undefined);
  try {
    await client.connect();
    client.checkBound();
    return client;
  } catch (error) {
    client.connection.stream.destroy();
    throw error;
  }
}

/** The methods that node-postgres calls for each kind of authentication; hostile-target.test.ts sees that it still does. */
class ScramClient extends Client {
  readonly #demanded: boolean;
  readonly #clear: boolean;
  #bound = false;

  constructor(config: ClientConfig, tls: TargetConfig['tls']) {
    super(config);
    this.#demanded = tls.channelBinding === 'require';
    this.#clear = tls.clearPassword ?? false;
  }

  checkBound(): void {
    if (this.#demanded && !this.#bound) throw new Error(UNBOUND);
  }

  override _handleAuthCleartextPassword(): void {
    // oxlint-disable-next-line eslint/no-underscore-dangle -- node-postgres calls it so
    if (this.#clear && isTls(this.connection.stream)) super._handleAuthCleartextPassword();
    else this.#refuse('it asks for a clear-text password; set it to scram-sha-256');
  }

  override _handleAuthMD5Password(): void {
    this.#refuse('it asks for an MD5 password; set it to scram-sha-256');
  }

  override _handleAuthSASL(message: Offer): void {
    const { stream } = this.connection;
    const able = isTls(stream) && serverEndPoint(stream.getPeerCertificate().raw) !== undefined;
    if (!able) this.enableChannelBinding = false;
    this.#bound = able && message.mechanisms.includes(PLUS);
    if (this.#demanded && !this.#bound) this.#refuse(UNBOUND);
    // oxlint-disable-next-line eslint/no-underscore-dangle -- node-postgres calls it so
    else super._handleAuthSASL(message);
  }

  #refuse(reason: string): void {
    this.connection.emit('error', new Error(reason));
    this.connection.stream.destroy();
  }
}

const isTls = (stream: Duplex): stream is TLSSocket => 'getPeerCertificate' in stream;

const UNBOUND = `it does not bind the password to the channel (${PLUS}), and tls.channelBinding demands it`;
