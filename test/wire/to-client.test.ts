import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { suite, test } from 'node:test';
import { Masker } from '#gateway/postgres/masker.ts';
import { ToClient, whole } from '#gateway/postgres/to-client.ts';
import { columnMask } from '#src/mask/column.ts';
import { dataRow } from '#gateway/postgres/codec.ts';

/** A client that takes what it is sent only when it is told to, and looks at the bytes no earlier. */
function slow() {
  const waiting: (() => void)[] = [];
  let heard = '';
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      waiting.push(() => {
        heard += chunk.toString('latin1');
        done();
      });
    },
  });
  return {
    socket,
    /** Everything that was sent up to now. */
    take: (): string => {
      for (let next = waiting.shift(); next; next = waiting.shift()) next();
      return heard;
    },
  };
}

suite('bytes on their way to the client', () => {
  test('have not gone out before the client took them all', () => {
    const { socket, take } = slow();
    const client = new ToClient(socket);
    const bytes = Buffer.from('0123456789');
    client.put({ buffer: bytes, start: 0, end: 4 });
    assert.equal(client.flush(), false);
    client.put({ buffer: bytes, start: 4, end: 7 });
    client.put({ buffer: bytes, start: 7, end: 9 });
    client.put(whole(Buffer.from('x')));
    assert.equal(client.flush(), false);
    assert.equal(take(), '012345678x');
    assert.equal(client.flush(), true);
  });

  test('masked rows that wait are not overwritten by those that come behind them', () => {
    const { socket, take } = slow();
    const client = new ToClient(socket);
    const mask = columnMask(
      { kind: 'last', keep: 4 },
      { oid: 25, modifier: -1 },
      0,
      Buffer.alloc(32),
    );
    const masker = new Masker([mask], { key: Buffer.alloc(32), tally: { maskedCells: 0 } });
    let expected = '';
    for (let i = 0; i < 200; i += 1) {
      const value = String(1e15 + i);
      const row = dataRow([Buffer.from(value)]);
      client.put(masker.rows(row, 0, row.length));
      expected += dataRow([Buffer.from(`${'*'.repeat(12)}${value.slice(-4)}`)]).toString('latin1');
      if (client.flush()) masker.gone();
      // In between, the client takes it all.
      if (i % 50 === 49) assert.equal(take(), expected);
    }
  });
});
