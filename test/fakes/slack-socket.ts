import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { acceptWebSocket, type Peer } from './websocket.ts';

const ACK_MS = 3_000;
/** Slack allows ten connections for an app. */
const LINES_MAX = 10;

export type Delivery = {
  readonly envelope: string;
  /** What came with the acknowledgement; undefined when none came. */
  readonly acked?: { readonly payload?: unknown };
  readonly attempts: number;
};
type Options = {
  /** Sent again under this id, as Slack does when it has not heard an acknowledgement. */
  envelope?: string;
  retry?: number;
  /** How often it is sent at most; Slack sends clicks once and events up to four times. */
  attempts?: number;
  /** Which line carries it; otherwise one after the other. */
  line?: number;
  type?: 'interactive' | 'events_api' | 'slash_commands';
};
type Sent = {
  id: string;
  type: string;
  payload: unknown;
  attempts: number;
  retry: number;
  line?: number;
};
type LineOf = { peer: Peer; leaving: boolean };

/** Slack's side of Socket Mode: one-use addresses, hello, envelopes, disconnects, and what goes wrong with lines. */
export function slackSocket(changed: () => void) {
  const tickets = new Set<string>();
  const lines: LineOf[] = [];
  const waiting: (() => void)[] = [];
  const underWay = new Set<{ id: string; line: LineOf; end(got?: { payload?: unknown }): void }>();
  const acked: string[] = [];
  let turn = 0;
  let opened = 0;
  let closed = 0;

  const ticket = (): string => {
    const made = randomUUID();
    tickets.add(made);
    return made;
  };

  const upgrade = (request: IncomingMessage, socket: Duplex) => {
    const given = new URL(request.url ?? '', 'http://slack').searchParams.get('ticket') ?? '';
    if (!tickets.delete(given)) {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const peer = acceptWebSocket(request, socket, {
      message: onMessage,
      close() {
        lines.splice(lines.indexOf(line), 1);
        closed += 1;
        for (const one of underWay) if (one.line === line) one.end();
        changed();
      },
    });
    const line: LineOf = { peer, leaving: false };
    lines.push(line);
    opened += 1;
    peer.send(JSON.stringify({ type: 'hello', num_connections: lines.length, debug_info: {} }));
    peer.ping();
    if (lines.length > LINES_MAX) tell(line, 'too_many_websockets');
    for (const again of waiting.splice(0)) again();
    changed();
  };

  const onMessage = (text: string) => {
    const { envelope_id: id, payload } = JSON.parse(text) as {
      envelope_id: string;
      payload?: unknown;
    };
    acked.push(id);
    for (const one of underWay) if (one.id === id) one.end({ payload });
    changed();
  };

  const tell = (line: LineOf, reason: string) => {
    line.leaving = true;
    line.peer.send(JSON.stringify({ type: 'disconnect', reason, debug_info: { host: 'fake' } }));
  };

  const pick = (wanted: number | undefined): LineOf | undefined => {
    if (wanted !== undefined) return lines[wanted];
    const staying = lines.filter((line) => !line.leaving);
    const from = staying.length > 0 ? staying : lines;
    turn += 1;
    return from[turn % Math.max(1, from.length)];
  };

  /** Sends it on a line, waiting for one if there is none; resolves with the acknowledgement, or undefined. */
  const send = async (sent: Sent): Promise<{ payload?: unknown } | undefined> => {
    const line = pick(sent.line);
    if (!line) {
      await new Promise<void>((resolve) => void waiting.push(resolve));
      return await send(sent);
    }
    const { promise, resolve } = Promise.withResolvers<{ payload?: unknown } | undefined>();
    const late = setTimeout(() => resolve(undefined), ACK_MS);
    const one = { id: sent.id, line, end: resolve };
    underWay.add(one);
    line.peer.send(
      JSON.stringify({
        type: sent.type,
        envelope_id: sent.id,
        payload: sent.payload,
        accepts_response_payload: sent.type !== 'events_api',
        ...(sent.retry > 0 && { retry_attempt: sent.retry, retry_reason: 'timeout' }),
      }),
    );
    const got = await promise;
    clearTimeout(late);
    underWay.delete(one);
    return got;
  };

  return {
    ticket,
    upgrade,
    lines,
    /** Ids of envelopes, as often as they were acknowledged. */
    acked,
    /** How many lines there have been. */
    opened: () => opened,
    /** How many lines have ended. */
    closed: () => closed,
    async deliver(payload: unknown, options: Options = {}): Promise<Delivery> {
      const { envelope = randomUUID(), attempts = 4, retry = 0, line, type } = options;
      for (let sent = 1; ; sent += 1) {
        const got = await send({
          id: envelope,
          type: type ?? 'interactive',
          payload,
          attempts,
          retry: retry + sent - 1,
          ...(line !== undefined && { line }),
        });
        if (got) return { envelope, attempts: sent, acked: got };
        if (sent >= attempts) return { envelope, attempts: sent };
      }
    },
    /** `warning` and `refresh_requested`: the line still carries calls, until `hangUp`. */
    disconnect(reason: string, which: readonly LineOf[] = [...lines]) {
      for (const line of which) tell(line, reason);
      return which;
    },
    hangUp(which: readonly LineOf[]) {
      for (const line of which) line.peer.close(1000);
    },
    close() {
      for (const line of lines) line.peer.drop();
    },
  };
}
