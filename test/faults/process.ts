import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordKind } from '#src/audit/log.ts';
import type { TestGateway } from '../fakes/gateway.ts';
import { asJson } from '../fakes/config-json.ts';
import { startHeld } from '../conformance/held.ts';

/** At which write the child stops and waits to be killed: the nth of its kind from now on. */
export type Orders = {
  readonly point?: 'before' | 'after';
  readonly kind?: RecordKind;
  readonly nth?: number;
};
export type Told = 'ready' | 'ordered' | 'reached';

const CHILD = new URL('process-child.ts', import.meta.url);
const PATIENCE_MS = 30_000;

/** A gateway whose process can be killed and started again, on the store, target and ports of `gateway`. */
export class Killable {
  readonly gateway: TestGateway;
  readonly #file: string;
  #child: ChildProcess | undefined;

  private constructor(gateway: TestGateway, file: string) {
    this.gateway = gateway;
    this.#file = file;
  }

  static async start(options?: Parameters<typeof startHeld>[0]): Promise<Killable> {
    const gateway = await startHeld(options);
    await gateway.token('engineer');
    await gateway.token('approver', 'decide');
    // From here on another process is this gateway: what is kept is the servers, the tokens and the addresses.
    await gateway.running.stop();
    const file = join(gateway.config.dataDir, 'child.json');
    await writeFile(file, await asJson(gateway.config));
    const killable = new Killable(gateway, file);
    await killable.start().catch(async (error: unknown) => {
      await killable.stop();
      throw error;
    });
    return killable;
  }

  async start(): Promise<void> {
    const child = fork(CHILD, [this.#file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    await this.told('ready');
  }

  /** Resolves with the first message of this kind; rejects when the child ends instead. */
  async told(wanted: Told): Promise<void> {
    const child = this.#need();
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const ended = once(child, 'exit', { signal }).then(() => {
      throw new Error(`the gateway ended before it was ${wanted}`);
    });
    ended.catch(() => undefined);
    const heard = async (): Promise<void> => {
      for (;;) {
        // oxlint-disable-next-line no-await-in-loop
        const [message] = await once(child, 'message', { signal });
        if (message === wanted) return;
      }
    };
    await Promise.race([heard(), ended]);
  }

  async order(orders: Orders): Promise<void> {
    const done = this.told('ordered');
    this.#need().send(orders);
    await done;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.gateway.stop();
  }

  #need(): ChildProcess {
    if (!this.#child) throw new Error('the gateway was not started');
    return this.#child;
  }
}
