import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Framer, StreamFramer, bodyOf, bytesOf, query } from '#gateway/postgres/codec.ts';

function message(type: string, length: number): Buffer {
  const bytes = Buffer.alloc(length + 5, type);
  bytes.writeInt32BE(length + 4, 1);
  return bytes;
}

function header(type: string, length: number): Buffer {
  const bytes = Buffer.alloc(5, type);
  bytes.writeInt32BE(length, 1);
  return bytes;
}

const messages = fc.array(
  fc.record({
    type: fc.constantFrom('Q', 'P', 'B', 'S', 'd', 'D', 'C'),
    length: fc.nat({ max: 30 }),
  }),
  { maxLength: 12 },
);

/** Cuts at the given places, wherever they fall. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((place) => place % (bytes.length + 1)))].toSorted(
    (a, b) => a - b,
  );
  return [0, ...places].map((place, i) => bytes.subarray(place, places[i] ?? bytes.length));
}

/** Whole messages as hex, CopyData joined again. */
function pull(framer: Framer, into: string[], open: { hex: string }): void {
  for (let frame = framer.next(); frame; frame = framer.next()) {
    open.hex += bytesOf(frame).toString('hex');
    if (!frame.last) continue;
    into.push(open.hex);
    open.hex = '';
  }
}

function collect(
  chunks: readonly Buffer[],
  streamed: string,
): { all: string; whole: string[]; begun: number } {
  const found = { all: '', whole: [] as string[], begun: 0 };
  const framer = new StreamFramer(
    {
      message: (_type, buffer, start, end) => {
        const hex = buffer.toString('hex', start, end);
        found.all += hex;
        found.whole.push(hex);
      },
      run: (_type, buffer, start, end, begun) => {
        found.all += buffer.toString('hex', start, end);
        found.begun += begun;
      },
    },
    streamed,
  );
  for (const chunk of chunks) framer.push(chunk);
  return found;
}

describe('Framer', () => {
  it('finds the same messages wherever the stream is cut', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat({ max: 500 })), fc.boolean(), (list, places, late) => {
        const expected = list.map(({ type, length }) => message(type, length));
        const framer = new Framer();
        const found: string[] = [];
        const open = { hex: '' };
        for (const chunk of cut(Buffer.concat(expected), places)) {
          framer.push(chunk);
          if (!late) pull(framer, found, open);
        }
        pull(framer, found, open);
        assert.deepEqual(
          found,
          expected.map((bytes) => bytes.toString('hex')),
        );
        assert.equal(framer.pending, 0);
      }),
    );
  });

  it('finds the same messages when they come byte by byte', () => {
    const expected = [message('Q', 9), message('d', 7), message('S', 0), message('P', 20)];
    const framer = new Framer();
    const found: string[] = [];
    const open = { hex: '' };
    for (const byte of Buffer.concat(expected)) {
      framer.push(Buffer.from([byte]));
      pull(framer, found, open);
    }
    assert.deepEqual(
      found,
      expected.map((bytes) => bytes.toString('hex')),
    );
  });

  it('counts what waits to be read', () => {
    const framer = new Framer();
    framer.push(Buffer.concat([query('select 1'), query('select 2')]));
    framer.push(query('select 3').subarray(0, 7));
    assert.equal(framer.pending, 14 * 2 + 7);
    const frame = framer.next();
    assert.ok(frame);
    assert.equal(bodyOf(frame).toString(), 'select 1\0');
    assert.equal(framer.pending, 14 + 7);
    framer.next();
    assert.equal(framer.next(), undefined);
    assert.equal(framer.pending, 7);
  });

  it('refuses a message that is too large from its header alone, and lets CopyData of any size pass in pieces', () => {
    const large = new Framer(1000);
    large.push(header('Q', 1001));
    assert.throws(() => large.next(), { sqlstate: '54000', fatal: true });
    const small = new Framer();
    small.push(header('S', 10_001));
    assert.throws(() => small.next(), { sqlstate: '54000' });
    const copy = new Framer(1000);
    copy.push(header('d', 500_000_000));
    assert.deepEqual([copy.next()?.first, copy.next()], [true, undefined]);
    copy.push(Buffer.alloc(100_000));
    const piece = copy.next();
    assert.deepEqual(
      [piece?.first, piece?.last, piece && bytesOf(piece).length],
      [false, false, 100_000],
    );
    for (const length of [3, -1, 0x7fffffff]) {
      const framer = new Framer();
      framer.push(header('d', length));
      assert.throws(() => framer.next(), { sqlstate: '08P01', fatal: true });
    }
  });

  it('joins a large message in linear time', () => {
    const framer = new Framer();
    const whole = message('Q', 32 * 1024 * 1024);
    for (let at = 0; at < whole.length; at += 16_384) {
      framer.push(whole.subarray(at, at + 16_384));
      if (at + 16_384 < whole.length) assert.equal(framer.next(), undefined);
    }
    const frame = framer.next();
    assert.ok(frame && bytesOf(frame).equals(whole));
  });
});

describe('StreamFramer', () => {
  it('passes every byte once and in order, and whole messages whole, wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        messages,
        fc.array(fc.nat({ max: 500 })),
        fc.constantFrom('', 'd', 'Dd'),
        (list, places, streamed) => {
          const expected = list.map(({ type, length }) => message(type, length));
          const bytes = Buffer.concat(expected);
          const found = collect(cut(bytes, places), streamed);
          assert.equal(found.all, bytes.toString('hex'));
          const held = expected.filter((one) => !streamed.includes(one.toString('latin1', 0, 1)));
          assert.deepEqual(
            found.whole,
            held.map((one) => one.toString('hex')),
          );
          assert.equal(found.begun, expected.length - held.length);
        },
      ),
    );
  });

  it('gives many rows in one chunk as one run', () => {
    let runs = 0;
    const framer = new StreamFramer({ message: () => undefined, run: () => void (runs += 1) }, 'D');
    framer.push(Buffer.concat(Array.from({ length: 100 }, () => message('D', 10))));
    assert.equal(runs, 1);
  });

  it('switches a type between streamed and whole from the next message on', () => {
    const seen: string[] = [];
    const framer: StreamFramer = new StreamFramer(
      {
        message: (type) => {
          seen.push(`whole ${String.fromCharCode(type)}`);
          if (type === 0x54) framer.take('D', 'streamed');
        },
        run: (type, _buffer, _start, _end, begun) =>
          void seen.push(`run ${String.fromCharCode(type)} ${begun}`),
      },
      '',
    );
    framer.push(
      Buffer.concat([message('D', 3), message('T', 3), message('D', 3), message('D', 3)]),
    );
    assert.deepEqual(seen, ['whole D', 'whole T', 'run D 2']);
  });

  it('hands out as many batched messages at once as are there, and none in part, wherever the stream is cut', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat({ max: 500 })), (list, places) => {
        const bytes = Buffer.concat(list.map(({ type, length }) => message(type, length)));
        let all = '';
        let last = '';
        const framer = new StreamFramer(
          {
            message(type, buffer, start, end) {
              const piece = buffer.subarray(start, end);
              let at = 0;
              while (at < piece.length) {
                assert.equal(piece[at], type);
                at += 1 + piece.readInt32BE(at + 1);
              }
              assert.equal(at, piece.length);
              const letter = String.fromCharCode(type);
              if (letter !== 'D') assert.equal(1 + piece.readInt32BE(1), piece.length);
              last = letter;
              all += piece.toString('hex');
            },
            run: () => assert.fail('nothing is streamed'),
          },
          '',
        );
        framer.take('D', 'batched');
        for (const chunk of cut(bytes, places)) framer.push(chunk);
        assert.equal(all, bytes.toString('hex'));
        assert.equal(last, list.at(-1)?.type ?? '');
      }),
    );
    let batches = 0;
    const framer = new StreamFramer(
      { message: () => void (batches += 1), run: () => undefined },
      '',
    );
    framer.take('D', 'batched');
    framer.push(Buffer.concat(Array.from({ length: 100 }, () => message('D', 10))));
    assert.equal(batches, 1);
  });

  it('ends the stream when a whole message is larger than its limit', () => {
    const framer = new StreamFramer({ message: () => undefined, run: () => undefined }, 'D', 100);
    framer.push(message('D', 1000));
    assert.throws(() => framer.push(message('T', 101)), { sqlstate: '54000', fatal: true });
  });
});
