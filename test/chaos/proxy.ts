import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A TCP proxy on a free port of 127.0.0.1, whose connections can be cut or held still. */
export class Proxy {
  readonly port: number;
  readonly #server: net.Server;
  readonly #pairs = new Set<readonly [net.Socket, net.Socket]>();
  #frozen = false;

  private constructor(server: net.Server, port: number, to: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (near) => this.#join(near, net.connect(to, '127.0.0.1')));
  }

  static async start(to: number): Promise<Proxy> {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Proxy(server, (server.address() as net.AddressInfo).port, to);
  }

  /** Whether a connection of its own comes from this port. */
  owns(port: number): boolean {
    return [...this.#pairs].some(([, far]) => far.localPort === port);
  }

  /** Resets every connection. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** No byte passes for so long; nothing is lost. */
  async freeze(ms: number): Promise<void> {
    this.#frozen = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
    await sleep(ms);
    this.#frozen = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(near: net.Socket, far: net.Socket): void {
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true);
      from.on('data', (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on('drain', () => this.#frozen || from.resume());
      from.on('end', () => to.end());
      from.on('error', () => undefined);
      from.on('close', () => {
        to.destroy();
        this.#pairs.delete(pair);
      });
      if (this.#frozen) from.pause();
    }
  }
}
