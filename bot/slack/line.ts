import { channel } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { Agent, buildConnector, ping, WebSocket } from 'undici';
import { z } from 'zod';

export type LineTiming = {
  /** How often the other end is asked whether it is there. */
  readonly pingMs: number;
  /** How long it may say nothing, not even pong. */
  readonly silenceMs: number;
  /** How long connection and greeting may take together. */
  readonly helloMs: number;
};
export const TIMING: LineTiming = { pingMs: 5_000, silenceMs: 20_000, helloMs: 10_000 };

export type Envelope = {
  readonly id: string;
  readonly payload: Record<string, unknown>;
  readonly retry?: number;
  /** Tells Slack that this call is handled. False when the line is gone, and Slack has not heard it. */
  ack(answer?: unknown): boolean;
};

/** One connection of Socket Mode. */
export type Line = {
  /**
   * Resolves when another line has to take over: `closed` and `silent` when this one is dead; otherwise with the reason
   * that Slack gave, and the line still carries calls until Slack closes it.
   */
  readonly leaving: Promise<string>;
  close(): void;
};

const Frame = z.union([
  z.object({ type: z.literal('hello') }),
  z.object({ type: z.literal('disconnect'), reason: z.string().default('closed') }),
  z.object({
    type: z.string(),
    envelope_id: z.string(),
    payload: z.record(z.string(), z.unknown()),
    retry_attempt: z.number().optional(),
  }),
]);

/**
 * Connects to an address that `apps.connections.open` gave, and resolves when Slack has said hello.
 * https://docs.slack.dev/apis/events-api/using-socket-mode
 */
export async function openLine(
  url: string,
  onEnvelope: (envelope: Envelope) => void,
  timing: LineTiming = TIMING,
): Promise<Line> {
  let tcp: Socket | undefined;
  const socket = new WebSocket(url, { dispatcher: dispatcher((made) => (tcp = made)) });
  const hello = Promise.withResolvers<void>();
  const leaving = Promise.withResolvers<string>();
  let heard = performance.now();

  const end = (why: string) => {
    clearInterval(pulse);
    clearTimeout(late);
    for (const one of [pings, pongs]) one.unsubscribe(onBeat);
    // Slack does not close the connection after the closing handshake, and would count it among the ten it allows.
    tcp?.destroy();
    leaving.resolve(why);
    hello.reject(new Error(`the connection to Slack ended before it began: ${why}`));
  };
  const onBeat = (message: unknown) => {
    if (isOf(message, socket)) heard = performance.now();
  };
  const pulse = setInterval(() => {
    if (socket.readyState > WebSocket.OPEN) end('closed');
    else if (performance.now() - heard > timing.silenceMs) end('silent');
    else if (socket.readyState === WebSocket.OPEN) ping(socket);
  }, timing.pingMs);
  const late = setTimeout(() => end('no greeting in time'), timing.helloMs);
  for (const one of [pings, pongs]) one.subscribe(onBeat);

  socket.addEventListener('close', () => end('closed'));
  socket.addEventListener('error', (event) => end(event.message || 'closed'));
  socket.addEventListener('message', ({ data }) => {
    heard = performance.now();
    const frame = Frame.safeParse(parsed(data)).data;
    if (!frame) return;
    if ('envelope_id' in frame) onEnvelope(envelopeOf(frame, socket));
    else if (frame.type === 'hello') {
      clearTimeout(late);
      hello.resolve();
    } else leaving.resolve(frame.reason);
  });

  await hello.promise;
  return {
    leaving: leaving.promise,
    close() {
      if (socket.readyState === WebSocket.OPEN) socket.close(1000);
      setTimeout(() => end('closed'), GOODBYE_MS);
    },
  };
}

/** Enough for the closing frame to be sent. */
const GOODBYE_MS = 100;
// Diagnostics is where undici shows control frames; they are of every WebSocket in the process.
const pings = channel('undici:websocket:ping');
const pongs = channel('undici:websocket:pong');

function isOf(message: unknown, socket: WebSocket): boolean {
  return (
    typeof message === 'object' &&
    message !== null &&
    'websocket' in message &&
    message.websocket === socket
  );
}

/** HTTP/1.1, and a hand on the TCP socket, which undici's WebSocket keeps to itself. */
function dispatcher(onSocket: (socket: Socket) => void): Agent {
  const connect = buildConnector({ allowH2: false });
  return new Agent({
    connect(options, callback) {
      connect(options, (...made) => {
        if (made[1]) onSocket(made[1]);
        callback(...made);
      });
    },
  });
}

function envelopeOf(
  frame: Extract<z.infer<typeof Frame>, { envelope_id: string }>,
  socket: WebSocket,
): Envelope {
  return {
    id: frame.envelope_id,
    payload: frame.payload,
    ...(frame.retry_attempt !== undefined && { retry: frame.retry_attempt }),
    ack(answer) {
      if (socket.readyState !== WebSocket.OPEN) return false;
      const payload = answer === undefined || answer === '' ? {} : { payload: answer };
      socket.send(JSON.stringify({ envelope_id: frame.envelope_id, ...payload }));
      return true;
    },
  };
}

function parsed(data: unknown): unknown {
  if (typeof data !== 'string') return undefined;
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
