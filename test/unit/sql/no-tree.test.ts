import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { openAnalyser } from '#gateway/postgres/analyser.ts';
import { type TestTarget, brief, nothingNamed, startTarget } from './target.ts';

const NOTICE = 0x4e;

/** Stands before a server; `server` sees each of its messages and gives what goes on, `startup` the client's first one. */
async function between(
  port: number,
  change: {
    server?(message: Buffer): Buffer;
    startup?(message: Buffer): Buffer;
  },
): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((client) => {
    const server = net.connect(port, '127.0.0.1');
    let first = true;
    let rest = Buffer.alloc(0);
    client.on('data', (chunk: Buffer) => {
      server.write(first && change.startup ? change.startup(chunk) : chunk);
      first = false;
    });
    server.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
        const end = rest.readInt32BE(1) + 1;
        const message = rest.subarray(0, end);
        rest = rest.subarray(end);
        client.write(change.server?.(message) ?? message);
      }
    });
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        server.destroy();
      });
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    close() {
      listener.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The startup message without its `options`, as a pooler sends it on. */
function withoutOptions(message: Buffer): Buffer {
  const fields = message.subarray(8).toString('latin1').split('\0').slice(0, -2);
  const kept: string[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2)
    if (fields[at] !== 'options') kept.push(fields[at] ?? '', fields[at + 1] ?? '');
  const body = Buffer.from(`${kept.join('\0')}\0\0`, 'latin1');
  const head = Buffer.from(message.subarray(0, 8));
  head.writeInt32BE(8 + body.length);
  return Buffer.concat([head, body]);
}

describe('a target that does not hand out its analysed tree', () => {
  let target: TestTarget;
  before(async () => {
    target = await startTarget();
  });
  after(() => target.close());

  const WAYS: Readonly<Record<string, Parameters<typeof between>[1]>> = {
    'because something in between drops notices': {
      server: (message) => (message[0] === NOTICE ? Buffer.alloc(0) : message),
    },
    'because a pooler in between drops what was asked of the session': { startup: withoutOptions },
    'because its notices have another form': {
      server(message) {
        if (message[0] === NOTICE) message.write('{', message.indexOf('D(') + 1);
        return message;
      },
    },
  };
  for (const [name, change] of Object.entries(WAYS))
    it(`has its statements refused with that reason, ${name}`, async () => {
      const middle = await between(target.config.port, change);
      const errors: Error[] = [];
      const config = { ...target.config, port: middle.port };
      const analyser = openAnalyser(config, 'shop', { onError: (error) => errors.push(error) });
      try {
        const settings = { searchPath: 'public', user: 'app' };
        for (const text of ['select ssn from customers', 'delete from orders']) {
          // oxlint-disable-next-line no-await-in-loop
          const found = await analyser.analyse(text, settings, nothingNamed, {});
          assert.equal(brief(found), 'refused no-tree 0A000', text);
          assert.match(found.refused?.hint ?? '', /pooler/);
        }
        assert.ok(errors.some((error) => /debug_print_rewritten/.test(error.message)));
      } finally {
        await analyser.close();
        middle.close();
      }
    });
});
