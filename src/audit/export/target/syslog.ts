import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { connect, type TLSSocket } from 'node:tls';
import type { OcsfEvent } from '../ocsf.ts';

export type SyslogServer = {
  readonly host: string;
  readonly port: number;
  /** PEM file with its authority; default: the system's. */
  readonly ca?: string;
};

const CONNECT_MS = 10_000;
const FACILITY = 13;
/** OCSF's severities 1 to 6 as syslog's. */
const SEVERITIES = [6, 6, 5, 4, 3, 2, 1];

/**
 * Syslog messages (RFC 5424) over TLS, each behind its length (RFC 5425). The protocol has no receipts: what was handed to a
 * connection that then breaks may be lost, so the last batch is sent again after it.
 */
export class Syslog {
  readonly #server: SyslogServer;
  #socket: TLSSocket | undefined;
  #last = '';

  constructor(server: SyslogServer) {
    this.#server = server;
  }

  async deliver(events: readonly OcsfEvent[]): Promise<void> {
    const text = events.map(framed).join('');
    if (this.#socket?.writable !== true) {
      this.#socket = await this.#connect();
      if (this.#last !== '') await this.#write(this.#last);
    }
    await this.#write(text);
    this.#last = text;
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    if (!socket || socket.destroyed) return;
    const closed = once(socket, 'close').catch(() => undefined);
    socket.end();
    const timer = setTimeout(() => socket.destroy(), 2_000);
    await closed;
    clearTimeout(timer);
  }

  async #connect(): Promise<TLSSocket> {
    const { host, port, ca } = this.#server;
    const socket = connect({
      host,
      port,
      servername: host,
      ...(ca !== undefined && { ca: await readFile(ca) }),
    });
    const timer = setTimeout(
      () => socket.destroy(new Error('it does not answer')),
      CONNECT_MS,
    ).unref();
    try {
      await once(socket, 'secureConnect');
    } finally {
      clearTimeout(timer);
    }
    // Nobody waits for it then; the next batch finds out.
    socket.on('error', () => socket.destroy());
    socket.resume();
    return socket;
  }

  async #write(text: string): Promise<void> {
    const socket = this.#socket;
    await new Promise<void>((resolve, reject) => {
      if (!socket || socket.destroyed) reject(new Error('the connection is gone'));
      else socket.write(text, (error) => (error ? reject(error) : resolve()));
    });
  }
}

const HOST = hostname().replace(/[^\x21-\x7e]/g, '') || '-';

function framed(event: OcsfEvent): string {
  const priority = FACILITY * 8 + (SEVERITIES[Number(event['severity_id'])] ?? 6);
  const time = new Date(Number(event['time'])).toISOString();
  const message = `<${priority}>1 ${time} ${HOST} countersign - ocsf${Number(event['class_uid'])} - ${JSON.stringify(event)}`;
  return `${Buffer.byteLength(message)} ${message}`;
}
