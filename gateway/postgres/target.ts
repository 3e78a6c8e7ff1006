import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import type { TargetConfig } from '#src/config/config.ts';
import { spend, type Permit } from '../gate/permit.ts';
import { bind, cancelRequest, sslRequest, terminate } from './codec.ts';
import { targetEncryption } from './encryption.ts';
import { CredentialRefused, TargetUnavailable, logIn, type LoggedIn } from './login.ts';
import { Outgoing } from './outgoing.ts';

export { TargetUnavailable };

const CONNECT_MS = 10_000;
const CANCEL_MS = 5_000;
// The analyser reads statements under these; a target that works otherwise would run something else.
type Settings = ReadonlyMap<string, string>;
const NOT_PINNED: Settings = new Map();
const PINNED: Settings = new Map([
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
]);

/** One connection to a target, logged in as the gateway's role, paused until `resume()`. */
export type TargetConnection = {
  /** ParameterStatus as the target reported it at the start. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The backend's process; 0 when the target gave no key, and then it cannot be cancelled. */
  readonly pid: number;
  readonly secretKey?: Buffer;
  readonly destroyed: boolean;
  /**
   * Runs one statement: exactly one Query, Bind, FunctionCall or Execute of a portal that no Bind has made (beside
   * messages that run nothing, and Execute of bound portals).
   * Spends the permit. False means: wait for `onDrain`. Throws before anything was spent or written when the bytes are
   * something else or the connection is gone.
   */
  run(permit: Permit, bytes: Buffer): boolean;
  /** Parse, Describe, Close, Sync, Flush, and CopyData (also in pieces), CopyDone, CopyFail; throws on anything else. */
  prepare(bytes: Buffer): boolean;
  /** As prepare, and Execute of portals that were bound by `run` and not closed since. */
  execute(bytes: Buffer): boolean;
  /** A Bind that cannot succeed: it runs nothing, and fails the target's transaction or pipeline as any error does. */
  fail(): boolean;
  onData(listener: (chunk: Buffer) => void): void;
  onDrain(listener: () => void): void;
  /** More was sent than it takes now: wait for `onDrain`. */
  readonly congested: boolean;
  /** Called once; with the error if there was one. */
  onClose(listener: (error?: Error) => void): void;
  pause(): void;
  resume(): void;
  /** Asks the target to cancel what runs now. Resolves once it was delivered; rejects when it could not be. */
  cancel(): Promise<void>;
  /** Terminates politely. */
  end(): void;
  /** Ends at once; the target rolls back. */
  destroy(): void;
};

/**
 * Opens a connection with the gateway's credential. `parameters` go into the startup message; client_encoding and
 * standard_conforming_strings are pinned unless `as` says that no statement will be judged. A password that is refused is looked up anew, once. Rejects with
 * TargetUnavailable.
 */
export async function openTarget(
  config: TargetConfig,
  database: string | undefined,
  parameters: ReadonlyMap<string, string>,
  signal?: AbortSignal,
  as: 'judged' | 'unrestricted' = 'judged',
): Promise<TargetConnection> {
  const password = await config.password();
  const pinned = as === 'judged' ? PINNED : NOT_PINNED;
  const open = (secret: string) => openWith(secret, config, database, [parameters, pinned], signal);
  try {
    return await open(password);
  } catch (error) {
    if (!(error instanceof CredentialRefused)) throw error;
    const renewed = await config.password.renew?.(password);
    if (renewed === undefined || renewed === password) throw error;
    return await open(renewed);
  }
}

async function openWith(
  password: string,
  config: TargetConfig,
  database: string | undefined,
  [parameters, pinned]: readonly [given: Settings, pinned: Settings],
  signal: AbortSignal | undefined,
): Promise<TargetConnection> {
  const deadline = AbortSignal.timeout(CONNECT_MS);
  const limit = signal ? AbortSignal.any([signal, deadline]) : deadline;
  const socket = await dial(config, limit).catch(unavailable(config));
  const abort = (): void => void socket.destroy(new Error('it took too long, or was given up'));
  limit.addEventListener('abort', abort);
  try {
    const login = await logIn(socket, {
      target: config.name,
      user: config.user,
      password,
      parameters: new Map([
        ['user', config.user],
        ['database', database ?? config.database],
        ...parameters,
        ...pinned,
      ]),
      tls: socket instanceof tls.TLSSocket ? socket : undefined,
      channelBinding: config.tls.channelBinding ?? 'prefer',
      clearPassword: config.tls.clearPassword ?? false,
    });
    for (const [name, value] of pinned)
      if (login.parameters.get(name) !== value)
        throw new TargetUnavailable(
          `target "${config.name}" does not accept ${name}=${value}, without which statements cannot be judged`,
        );
    limit.throwIfAborted();
    return connection(config, socket, login);
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    return unavailable(config)(error);
  } finally {
    limit.removeEventListener('abort', abort);
  }
}

function connection(
  config: TargetConfig,
  socket: net.Socket,
  { parameters, pid, secret }: LoggedIn,
): TargetConnection {
  const outgoing = new Outgoing();
  // No client can have prepared a statement of this name.
  const failing = bind({
    portal: '',
    statement: `countersign ${randomUUID()}`,
    formats: [],
    values: [],
    resultFormats: [],
  });
  let failure: Error | undefined;
  socket.on('error', (error) => {
    failure ??= error;
  });
  // What is sent in one turn goes out in one write: Bind, Execute and Sync come together more often than not, and most
  // often lie side by side as the client sent them.
  let last: Buffer | undefined;
  let corked = false;
  const flush = (): void => {
    if (last) socket.write(last);
    last = undefined;
    if (corked) socket.uncork();
    corked = false;
  };
  const send = (bytes: Buffer): boolean => {
    const joined = last && sideBySide(last, bytes);
    if (!last) process.nextTick(flush);
    else if (!joined) {
      if (!corked) socket.cork();
      corked = true;
      socket.write(last);
    }
    last = joined ?? bytes;
    return !socket.writableNeedDrain;
  };
  const write = (
    bytes: Buffer,
    allowed: 'nothing' | 'execute' | 'one-statement',
    permit?: Permit,
  ) => {
    if (!socket.writable) throw new Error('the target has closed the connection');
    outgoing.check(bytes, allowed);
    if (permit) spend(permit);
    return send(bytes);
  };
  return {
    parameters,
    pid,
    ...(secret && { secretKey: secret }),
    get destroyed() {
      return socket.destroyed;
    },
    get congested() {
      return socket.writableNeedDrain;
    },
    run: (permit, bytes) => write(bytes, 'one-statement', permit),
    prepare: (bytes) => write(bytes, 'nothing'),
    execute: (bytes) => write(bytes, 'execute'),
    fail: () => {
      outgoing.checkWhole();
      return send(failing);
    },
    onData: (listener) => void socket.on('data', listener).pause(),
    onDrain: (listener) => void socket.on('drain', listener),
    onClose: (listener) => {
      if (socket.closed) queueMicrotask(() => listener(failure));
      else socket.once('close', () => listener(failure));
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    cancel: () => cancel(config, pid, secret),
    end: () => {
      if (!socket.writable) return;
      flush();
      socket.end(terminate());
    },
    destroy: () => void socket.destroy(),
  };
}

/** One view over two that follow each other in memory. */
function sideBySide(a: Buffer, b: Buffer): Buffer | undefined {
  const follows = a.buffer === b.buffer && a.byteOffset + a.length === b.byteOffset;
  return follows ? Buffer.from(a.buffer, a.byteOffset, a.length + b.length) : undefined;
}

async function cancel(config: TargetConfig, pid: number, secret?: Buffer): Promise<void> {
  if (!secret) throw new TargetUnavailable(`target "${config.name}" gave no key to cancel with`);
  const limit = AbortSignal.timeout(CANCEL_MS);
  const socket = await dial(config, limit).catch(unavailable(config));
  try {
    socket.resume();
    socket.end(cancelRequest(pid, secret));
    // The target closes only after it has sent the signal to its backend.
    if (!socket.closed) await once(socket, 'close', { signal: limit });
  } finally {
    socket.on('error', () => undefined);
    socket.destroy();
  }
}

const READ_BYTES = 64 * 1024;

/** A socket ready for the first packet, encrypted as configured. */
async function dial(config: TargetConfig, signal: AbortSignal): Promise<net.Socket> {
  const encryption = await targetEncryption(config).catch((cause: unknown) => {
    throw new TargetUnavailable(
      `the gateway's certificate files for target "${config.name}" cannot be used; the operator finds the cause in the log`,
      '08001',
      { cause },
    );
  });
  const socket: net.Socket = net.connect({
    host: config.host,
    port: config.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 10_000,
    // V8 soon frees young buffers that it has allocated itself; those of a plain read pile up to over 64 MB first.
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (read, buffer) => socket.push(Buffer.from(buffer.subarray(0, read))),
    },
  });
  try {
    await once(socket, 'connect', { signal });
    return encryption ? await encrypt(socket, config, encryption, signal) : socket;
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  }
}

async function encrypt(
  socket: net.Socket,
  { name, host }: TargetConfig,
  encryption: tls.ConnectionOptions,
  signal: AbortSignal,
): Promise<net.Socket> {
  socket.write(sslRequest());
  const [answer]: unknown[] = await once(socket, 'data', { signal });
  socket.pause();
  // Bytes behind the answer would be taken for encrypted ones: CVE-2021-23222.
  if (!Buffer.isBuffer(answer) || answer.length !== 1)
    throw new TargetUnavailable(`target "${name}" sent data before TLS began`);
  if (answer[0] !== 0x53)
    throw new TargetUnavailable(
      `target "${name}" does not offer TLS; turn it on there, or set tls mode disable`,
    );
  const secure = tls.connect({
    ...encryption,
    socket,
    // An address is not allowed there (RFC 6066 section 3).
    ...(net.isIP(host) === 0 && { servername: host }),
  });
  try {
    await once(secure, 'secureConnect', { signal });
    return secure;
  } catch (error) {
    secure.on('error', () => undefined);
    secure.destroy();
    throw error;
  }
}

function unavailable(config: TargetConfig): (error: unknown) => never {
  return (error) => {
    if (error instanceof TargetUnavailable) throw error;
    const cause = error instanceof Error ? error.message : String(error);
    throw new TargetUnavailable(`target "${config.name}" cannot be reached: ${cause}`, '08001', {
      cause: error,
    });
  };
}
