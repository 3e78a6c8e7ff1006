import type { Duplex } from 'node:stream';
import { RequestCode, negotiateProtocolVersion, parseStartup } from './codec.ts';
import { Fatal } from './fatal.ts';
import { GoneAway, readExactly } from './reading.ts';

// PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
const LARGEST = 10_000;
const NEWEST_MINOR = 2;
// The longest cancel key of protocol 3.2.
const LARGEST_KEY = 256;

export type Startup =
  | {
      readonly kind: 'session';
      readonly socket: Duplex;
      readonly tls: boolean;
      readonly minor: 0 | 2;
      readonly parameters: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'cancel'; readonly pid: number; readonly secret: Buffer };

export type StartupOptions = {
  /** Takes the socket over and resolves once it is encrypted; undefined when the gateway has no certificate. */
  readonly encrypt: ((direct: boolean) => Promise<Duplex>) | undefined;
  /** Clear text is only for connections that do not leave the machine. */
  readonly loopback: boolean;
  /** Not even there. */
  readonly required?: boolean;
};

type Packet = { readonly code: number; readonly body: Buffer };

/**
 * From the first byte to the startup packet: encryption in any order, version and options negotiated as PostgreSQL
 * does. Throws Fatal for what the client should read, GoneAway or another error where there is nobody to tell.
 */
export async function startUp(raw: Duplex, options: StartupOptions): Promise<Startup> {
  if (await beginsWithTls(raw)) {
    if (!options.encrypt) throw new GoneAway('direct TLS, but the gateway has no certificate');
    const secure = await options.encrypt(true);
    return open(secure, true, options, await readPacket(secure));
  }
  let packet = await readPacket(raw);
  const refused = new Set<number>();
  while (packet.code === RequestCode.Ssl || packet.code === RequestCode.Gssenc) {
    // Each may be asked once, in either order; bytes sent before the answer could be an attacker's (CVE-2021-23214).
    if (refused.has(packet.code)) break;
    if (raw.readableLength > 0)
      throw new Fatal('08P01', 'received unencrypted data after an encryption request');
    if (packet.code === RequestCode.Ssl && options.encrypt) {
      raw.write('S');
      const secure = await options.encrypt(false);
      return open(secure, true, options, await readPacket(secure));
    }
    refused.add(packet.code);
    raw.write('N');
    packet = await readPacket(raw);
  }
  return open(raw, false, options, packet);
}

async function beginsWithTls(socket: Duplex): Promise<boolean> {
  const first = await readExactly(socket, 1);
  socket.unshift(first);
  return first[0] === 0x16;
}

async function readPacket(socket: Duplex): Promise<Packet> {
  const length = (await readExactly(socket, 4)).readUInt32BE();
  // PostgreSQL, too, does not answer what is probably another protocol.
  if (length < 8 || length > LARGEST) throw new GoneAway('no PostgreSQL startup packet');
  const packet = await readExactly(socket, length - 4);
  return { code: packet.readUInt32BE(), body: packet.subarray(4) };
}

function open(socket: Duplex, tls: boolean, options: StartupOptions, packet: Packet): Startup {
  const { code, body } = packet;
  if (code === RequestCode.Cancel) return cancellation(body);
  const major = code >>> 16;
  const minor = code & 0xffff;
  if (major !== 3)
    throw new Fatal(
      '0A000',
      `unsupported frontend protocol ${String(major)}.${String(minor)}: the gateway supports 3.0 to 3.${String(NEWEST_MINOR)}`,
    );
  if (!tls && (options.required || !options.loopback)) throw noEncryption(options);
  const parameters = parseStartup(body);
  const unknown = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'));
  if (minor > NEWEST_MINOR || unknown.length > 0)
    socket.write(negotiateProtocolVersion(Math.min(minor, NEWEST_MINOR), unknown));
  return { kind: 'session', socket, tls, minor: minor >= 2 ? 2 : 0, parameters };
}

function noEncryption({ required, encrypt }: StartupOptions): Fatal {
  const where = required ? '' : ' from other machines';
  return new Fatal(
    '28000',
    `the gateway takes connections${where} only over TLS, and this one has no encryption`,
    {
      hint: encrypt
        ? 'Connect with sslmode=require or better.'
        : 'The operator must give the gateway a certificate (tls in countersign.yaml).',
    },
  );
}

function cancellation(body: Buffer): Startup {
  if (body.length < 8 || body.length > 4 + LARGEST_KEY)
    throw new GoneAway('a CancelRequest of a wrong length');
  return { kind: 'cancel', pid: body.readInt32BE(), secret: body.subarray(4) };
}
