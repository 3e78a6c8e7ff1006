import { EventEmitter } from 'node:events';
import type { Database } from './database.ts';

/** NOTIFY between the gateways of one store, over one connection of its own. A hint: what counts is in the tables. */
export type Notices = {
  /** Calls `listener` with each payload, and with undefined when some may have been missed; returns how to stop. */
  on(channel: string, listener: (payload: string | undefined) => void): () => void;
  /** To every process that listens, this one included. */
  send(channel: string, payload: string): Promise<void>;
  close(): Promise<void>;
};

const AGAIN_MS = 500;

/** Listens on `channels`. A broken connection is opened again; `onError` hears of each attempt that fails. */
export async function openNotices(
  db: Database,
  channels: readonly string[],
  onError: (error: Error) => void,
): Promise<Notices> {
  const heard = new EventEmitter().setMaxListeners(0);
  let current: { end(): Promise<void> } | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  const listen = async () => {
    const client = await db.connect();
    if (closed) return await client.end();
    client.on('notification', ({ channel, payload }) => heard.emit(channel, payload));
    client.on('end', () => {
      if (current !== client) return;
      current = undefined;
      schedule();
    });
    current = client;
    try {
      for (const channel of channels)
        await client.query(`listen ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      current = undefined;
      await client.end().catch(() => {});
      throw error;
    }
    for (const channel of channels) heard.emit(channel);
  };
  const schedule = () => {
    if (closed) return;
    retry = setTimeout(() => {
      listen().catch((error: Error) => {
        onError(error);
        schedule();
      });
    }, AGAIN_MS).unref();
  };

  await listen();
  return {
    on(channel, listener) {
      heard.on(channel, listener);
      return () => heard.off(channel, listener);
    },
    async send(channel, payload) {
      await db.pool.query('select pg_notify($1, $2)', [channel, payload]);
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      await current?.end();
    },
  };
}
