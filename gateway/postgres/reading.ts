import type { Duplex } from 'node:stream';
import { ProtocolViolation, type Frame } from './codec.ts';

/** The client is gone, or speaks something else: nobody to answer. */
export class GoneAway extends Error {
  override name = 'GoneAway';
}

/** Takes exactly so many bytes and leaves the rest in the (paused) socket. Rejects with GoneAway when it ends before. */
export async function readExactly(socket: Duplex, bytes: number): Promise<Buffer> {
  let taken = Buffer.alloc(0);
  while (taken.length < bytes) {
    // All there is, not read(bytes): a socket that holds too little would say "readable" again and again.
    const chunk: unknown = socket.read();
    if (Buffer.isBuffer(chunk)) taken = Buffer.concat([taken, chunk]);
    else if (socket.readableEnded || socket.destroyed)
      throw new GoneAway('the client closed the connection');
    else await readable(socket);
  }
  if (taken.length > bytes) socket.unshift(taken.subarray(bytes));
  return taken.subarray(0, bytes);
}

function readable(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const events = ['readable', 'end', 'close', 'error'];
    const done = (): void => {
      for (const event of events) socket.off(event, done);
      resolve();
    };
    for (const event of events) socket.on(event, done);
  });
}

/** One typed message of at most `limit` bytes, before the session's own framing begins. */
export async function readMessage(
  socket: Duplex,
  limit: number,
): Promise<Pick<Frame, 'type'> & { body: Buffer }> {
  const header = await readExactly(socket, 5);
  const length = header.readUInt32BE(1);
  if (length < 4 || length > limit)
    throw new ProtocolViolation('invalid message length', '08P01', true);
  const body = length === 4 ? Buffer.alloc(0) : await readExactly(socket, length - 4);
  return { type: header.readUInt8(0), body };
}
