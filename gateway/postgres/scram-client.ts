import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);

export const SCRAM = 'SCRAM-SHA-256';
export const SCRAM_PLUS = 'SCRAM-SHA-256-PLUS';

/** A target could otherwise keep this process busy for minutes. */
const MAX_ITERATIONS = 100_000;
const MOST_KEPT = 256;

/** The two keys that a password comes to with one salt (RFC 5802 section 3). */
type Keys = { readonly client: Buffer; readonly server: Buffer };

/** What passwords came to lately, by a digest of all that goes in: each new connection would else work on it for long. */
const kept = new Map<string, Promise<Keys>>();

const SERVER_FIRST =
  /^r=([\x21-\x2b\x2d-\x7e]+),s=((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?),i=([1-9]\d{0,15})$/;
const SERVER_FINAL = /^v=([A-Za-z0-9+/]{43}=)$/;

/** The client's side of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677), with channel binding where `endPoint` is given. */
export class ScramClient {
  readonly mechanism: string;
  readonly first: string;
  readonly #bare: string;
  readonly #nonce: string;
  readonly #binding: string;
  #expected: Buffer | undefined;

  /**
   * `endPoint` binds to the channel (`tls-server-end-point`, RFC 5929). `able`: there is one, and the server offered
   * nothing that binds to it; an honest one then notices when somebody took that out of its offer ("y").
   */
  constructor(channel: { readonly endPoint?: Buffer | undefined; readonly able: boolean }) {
    const { endPoint, able } = channel;
    this.mechanism = endPoint ? SCRAM_PLUS : SCRAM;
    const header = endPoint ? 'p=tls-server-end-point,,' : able ? 'y,,' : 'n,,';
    this.#nonce = randomBytes(18).toString('base64');
    this.#bare = `n=*,r=${this.#nonce}`;
    this.first = header + this.#bare;
    this.#binding = Buffer.concat([Buffer.from(header), endPoint ?? Buffer.alloc(0)]).toString(
      'base64',
    );
  }

  /** The answer to server-first. Rejects with what is wrong with that. */
  async final(password: string, serverFirst: string): Promise<string> {
    const [, nonce = '', salt = '', count = ''] = SERVER_FIRST.exec(serverFirst) ?? malformed();
    if (salt === '') malformed();
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length)
      throw new Error('SCRAM: the server did not add to the nonce');
    const iterations = Number(count);
    if (iterations > MAX_ITERATIONS)
      throw new Error(`SCRAM: an iteration count of ${iterations} is more than ${MAX_ITERATIONS}`);
    const { client, server } = await keysOf(password, salt, iterations);
    const withoutProof = `c=${this.#binding},r=${nonce}`;
    const message = `${this.#bare},${serverFirst},${withoutProof}`;
    const signature = hmac(sha256(client), message);
    const proof = Buffer.from(client.map((byte, i) => byte ^ (signature[i] ?? 0)));
    this.#expected = hmac(server, message);
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** True when server-final shows that the server knows the password too. */
  isProof(serverFinal: string): boolean {
    const [, proof] = SERVER_FINAL.exec(serverFinal) ?? [];
    if (proof === undefined || !this.#expected) return false;
    return timingSafeEqual(Buffer.from(proof, 'base64'), this.#expected);
  }
}

function malformed(): never {
  throw new Error('SCRAM: what the server sent cannot be read');
}

function keysOf(password: string, salt: string, iterations: number): Promise<Keys> {
  const parts = [password, salt, String(iterations)];
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  const key = hash.digest('base64');
  const known = kept.get(key);
  if (known) return known;
  const made = derive(
    prepared(password),
    Buffer.from(salt, 'base64'),
    iterations,
    32,
    'sha256',
  ).then((salted) => ({ client: hmac(salted, 'Client Key'), server: hmac(salted, 'Server Key') }));
  made.catch(() => kept.delete(key));
  if (kept.size >= MOST_KEPT)
    for (const oldest of kept.keys()) {
      kept.delete(oldest);
      break;
    }
  kept.set(key, made);
  return made;
}

/** Spaces that become one, and what becomes nothing (RFC 3454, C.1.2 and B.1). */
const SPACES = /[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]/gu;
const NOTHING =
  /\u00AD|\u034F|\u1806|\u180B|\u180C|\u180D|\u200C|\u200D|\u2060|[\uFE00-\uFE0F]|\uFEFF/gu;

/** SASLprep (RFC 4013) as far as it changes bytes; PostgreSQL too takes passwords as they are where it would refuse them. */
const prepared = (password: string): string =>
  password.replaceAll(SPACES, ' ').replaceAll(NOTHING, '').normalize('NFKC');

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
