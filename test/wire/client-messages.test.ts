import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { serialize } from 'pg-protocol';
import * as codec from '#gateway/postgres/codec.ts';

function body(message: Buffer): Buffer {
  return message.subarray(5);
}

const text = fc
  .string({ unit: 'binary' })
  .filter((value) => !value.includes('\0') && value.isWellFormed());
const oid = fc.nat({ max: 0xffffffff });
const value = fc.option(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  { nil: null },
);

describe('client messages', () => {
  it('reads back every Query and Parse it builds, as node-postgres writes them', () => {
    fc.assert(
      fc.property(text, text, fc.array(oid, { maxLength: 9 }), (name, sql, types) => {
        assert.equal(codec.parseQuery(body(codec.query(sql))), sql);
        assert.deepEqual(codec.parseParse(body(codec.parse(name, sql, types))), {
          name,
          text: sql,
          types,
        });
        assert.deepEqual(codec.query(sql), serialize.query(sql));
        const small = types.map((type) => type & 0x7fffffff);
        assert.deepEqual(
          codec.parse(name, sql, small),
          serialize.parse({ name, text: sql, types: small }),
        );
      }),
    );
  });

  it('reads back every Bind it builds', () => {
    fc.assert(
      fc.property(
        text,
        text,
        fc.array(value, { maxLength: 9 }),
        fc.boolean(),
        (portal, statement, values, one) => {
          const formats = one ? [1] : values.map((_, i) => i % 2);
          const bound = { portal, statement, formats, values, resultFormats: [0, 1] };
          assert.deepEqual(codec.parseBind(body(codec.bind(bound))), bound);
        },
      ),
    );
  });

  it('reads the Bind, Describe, Execute, Close and password messages of node-postgres', () => {
    const bound = codec.parseBind(
      body(
        serialize.bind({
          portal: 'p',
          statement: 's',
          values: ['one', null, Buffer.from([1, 2])],
          binary: true,
        }),
      ),
    );
    assert.equal(bound.portal, 'p');
    assert.equal(bound.statement, 's');
    assert.deepEqual(bound.formats, [0, 0, 1]);
    assert.deepEqual(bound.values, [Buffer.from('one'), null, Buffer.from([1, 2])]);
    assert.deepEqual(codec.describe('P', 'x'), serialize.describe({ type: 'P', name: 'x' }));
    assert.deepEqual(codec.execute('x', 7), serialize.execute({ portal: 'x', rows: 7 }));
    assert.deepEqual(codec.close('S', 'x'), serialize.close({ type: 'S', name: 'x' }));
    assert.deepEqual(codec.parseNamed(body(codec.describe('S', 'é'))), { kind: 'S', name: 'é' });
    assert.deepEqual(codec.parseExecute(body(codec.execute('p', -1))), { portal: 'p', maxRows: 0 });
    assert.deepEqual(codec.saslResponse('abc'), serialize.sendSCRAMClientFinalMessage('abc'));
    assert.deepEqual(
      codec.saslInitialResponse('M', 'abc'),
      serialize.sendSASLInitialResponseMessage('M', 'abc'),
    );
    assert.deepEqual(codec.cancelRequest(7, Buffer.from([0, 0, 0, 9])), serialize.cancel(7, 9));
    assert.deepEqual(codec.sslRequest(), serialize.requestSsl());
    assert.deepEqual(codec.sync(), serialize.sync());
    assert.deepEqual(codec.flush(), serialize.flush());
    assert.deepEqual(codec.terminate(), serialize.end());
    assert.deepEqual(codec.copyFail('no'), serialize.copyFail('no'));
  });

  it('refuses every shortened and every lengthened message instead of reading past its end', () => {
    const bound = {
      portal: 'p',
      statement: 's',
      formats: [0],
      values: [Buffer.from('v'), null],
      resultFormats: [1],
    };
    const cases: [Buffer, (bytes: Buffer) => unknown][] = [
      [body(codec.query('select 1')), codec.parseQuery],
      [body(codec.parse('n', 'select $1', [23, 25])), codec.parseParse],
      [body(codec.bind(bound)), codec.parseBind],
      [body(codec.describe('P', 'p')), codec.parseNamed],
      [body(codec.execute('p', 1)), codec.parseExecute],
    ];
    for (const [bytes, parse] of cases) {
      for (let length = 0; length < bytes.length; length += 1)
        assert.throws(() => parse(bytes.subarray(0, length)), codec.ProtocolViolation);
      assert.throws(() => parse(Buffer.concat([bytes, Buffer.alloc(1)])), codec.ProtocolViolation);
    }
  });

  it('never throws anything but a ProtocolViolation on arbitrary bytes', () => {
    const parsers = [
      codec.parseQuery,
      codec.parseParse,
      codec.parseBind,
      codec.parseNamed,
      codec.parseExecute,
      codec.parseRowDescription,
      codec.parseError,
      codec.parseCommandComplete,
      codec.parseStartup,
      codec.parseSaslInitialResponse,
      codec.parseDataRow,
      codec.parseParameterDescription,
      codec.parseNegotiateProtocolVersion,
      codec.parseReadyForQuery,
      codec.parseBackendKeyData,
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...parsers), (bytes, parse) => {
        try {
          parse(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof codec.ProtocolViolation, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses text that is no UTF-8 with 22021 and keeps a byte order mark', () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]])
      assert.throws(() => codec.parseQuery(Buffer.from([...bytes, 0])), {
        sqlstate: '22021',
        fatal: false,
      });
    assert.equal(codec.parseQuery(Buffer.from('\uFEFFselect 1\0')), '\uFEFFselect 1');
  });

  it('refuses a format code beyond binary and a number of formats that fits nothing', () => {
    const base = { portal: '', statement: '', values: [null, null], resultFormats: [] };
    assert.throws(() => codec.parseBind(body(codec.bind({ ...base, formats: [2] }))), {
      sqlstate: '22023',
    });
    assert.throws(() => codec.parseBind(body(codec.bind({ ...base, formats: [0, 0, 0] }))), {
      sqlstate: '08P01',
    });
  });

  it('does not build a string that holds a zero byte', () => {
    assert.throws(() => codec.query('select 1\0; drop table x'), codec.ProtocolViolation);
    assert.throws(
      () => codec.startupMessage(new Map([['user', 'a\0database\0b']])),
      codec.ProtocolViolation,
    );
  });
});
