import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const OP = { text: 1, close: 8, ping: 9, pong: 10 };

/** The server's end of a WebSocket (RFC 6455), as far as a fake needs it: whole text frames, ping, pong, close. */
export type Peer = {
  /** Reads and answers nothing any more, as behind a router that forgot the connection. */
  muted: boolean;
  send(text: string): void;
  ping(): void;
  close(code: number): void;
  /** Without a closing frame. */
  drop(): void;
};

export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  on: { message(text: string): void; close(): void },
): Peer {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}${GUID}`)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const write = (op: number, body: Buffer) => {
    if (!peer.muted && socket.writable) socket.write(frame(op, body));
  };
  const peer: Peer = {
    muted: false,
    send: (text) => write(OP.text, Buffer.from(text)),
    ping: () => write(OP.ping, Buffer.from('Ping from Slack')),
    close: (code) => write(OP.close, Buffer.from([code >> 8, code & 255])),
    drop: () => void socket.destroy(),
  };
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let read = readFrame(rest); read; read = readFrame(rest)) {
      rest = rest.subarray(read.end);
      if (peer.muted) continue;
      if (read.op === OP.text) on.message(read.body.toString('utf8'));
      else if (read.op === OP.ping) write(OP.pong, read.body);
      // Slack answers the closing frame and leaves the connection open.
      else if (read.op === OP.close) write(OP.close, read.body);
    }
  });
  socket.on('error', () => undefined);
  // An HTTP server's sockets stay half open by themselves.
  socket.on('end', () => socket.destroy());
  socket.on('close', () => on.close());
  return peer;
}

function frame(op: number, body: Buffer): Buffer {
  if (body.length < 126) return Buffer.concat([Buffer.from([0x80 | op, body.length]), body]);
  const head = Buffer.alloc(10);
  head[0] = 0x80 | op;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(body.length), 2);
  if (body.length > 0xffff) return Buffer.concat([head, body]);
  return Buffer.concat([Buffer.from([0x80 | op, 126, body.length >> 8, body.length & 255]), body]);
}

/** The first frame of what a client sent, unmasked; undefined while it is not whole. */
function readFrame(bytes: Buffer): { op: number; body: Buffer; end: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 0x7f;
  const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
  const head = 2 + wide + 4;
  if (bytes.length < head) return undefined;
  if ((bytes[1]! & 0x80) === 0) throw new Error('a client has to mask its frames');
  // What we are sent has no 2^48 bytes: the first two of eight are zero.
  const length = wide === 0 ? short : bytes.readUIntBE(wide === 8 ? 4 : 2, Math.min(6, wide));
  const end = head + length;
  if (bytes.length < end) return undefined;
  const mask = bytes.subarray(head - 4, head);
  const body = Buffer.from(bytes.subarray(head, end));
  for (let i = 0; i < body.length; i += 1) body[i]! ^= mask[i % 4]!;
  return { op: bytes[0]! & 15, body, end };
}
