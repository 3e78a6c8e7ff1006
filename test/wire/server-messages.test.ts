import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Parser } from 'pg-protocol/dist/parser.js';
import * as codec from '#gateway/postgres/codec.ts';
import { heldMessage, refusalMessage } from '#gateway/postgres/refusal.ts';

function body(message: Buffer): Buffer {
  return message.subarray(5);
}

/** What node-postgres reads out of a server's message. */
function oracle(bytes: Buffer): Record<string, unknown>[] {
  const messages: Record<string, unknown>[] = [];
  new Parser().parse(bytes, (message: unknown) => {
    messages.push(message as Record<string, unknown>);
  });
  return messages;
}

describe('server messages', () => {
  const fields = [
    {
      name: 'id',
      tableOid: 4_000_000_000,
      attnum: 1,
      typeOid: 23,
      typeSize: 4,
      typeModifier: -1,
      format: 0,
    },
    {
      name: 'näme',
      tableOid: 0,
      attnum: -1,
      typeOid: 25,
      typeSize: -1,
      typeModifier: 12,
      format: 1,
    },
  ];

  it('reads back a RowDescription, and node-postgres reads the same', () => {
    const bytes = codec.rowDescription(fields);
    assert.deepEqual(codec.parseRowDescription(body(bytes)), fields);
    const [message] = oracle(bytes) as {
      fields: { name: string; dataTypeID: number; columnID: number }[];
    }[];
    assert.deepEqual(
      message?.fields.map((field) => [field.name, field.dataTypeID]),
      [
        ['id', 23],
        ['näme', 25],
      ],
    );
  });

  it('builds what node-postgres understands', () => {
    const secret = Buffer.from([1, 2, 3, 4]);
    const messages = oracle(
      Buffer.concat([
        codec.authenticationSasl(['SCRAM-SHA-256']),
        codec.authenticationSaslContinue('a'),
        codec.authenticationSaslFinal('b'),
        codec.authenticationOk(),
        codec.parameterStatus('a', 'b'),
        codec.backendKeyData(77, secret),
        codec.readyForQuery('T'),
        codec.commandComplete('SELECT 3'),
        codec.emptyQueryResponse(),
        codec.parseComplete(),
        codec.bindComplete(),
        codec.closeComplete(),
        codec.noData(),
        codec.dataRow([Buffer.from('x'), null]),
        codec.parameterDescription([23]),
      ]),
    );
    assert.deepEqual(
      messages.map((message) => message['name']),
      [
        'authenticationSASL',
        'authenticationSASLContinue',
        'authenticationSASLFinal',
        'authenticationOk',
        'parameterStatus',
        'backendKeyData',
        'readyForQuery',
        'commandComplete',
        'emptyQuery',
        'parseComplete',
        'bindComplete',
        'closeComplete',
        'noData',
        'dataRow',
        'parameterDescription',
      ],
    );
    assert.deepEqual(messages[0]?.['mechanisms'], ['SCRAM-SHA-256']);
    assert.equal(messages[5]?.['processID'], 77);
    assert.equal(messages[6]?.['status'], 'T');
    assert.deepEqual(messages[13]?.['fields'], ['x', null]);
    assert.deepEqual(codec.parseBackendKeyData(body(codec.backendKeyData(77, secret))), {
      pid: 77,
      secret,
    });
    assert.deepEqual(
      codec.parseNegotiateProtocolVersion(body(codec.negotiateProtocolVersion(2, ['_pq_.x']))),
      {
        minor: 2,
        unsupported: ['_pq_.x'],
      },
    );
  });

  it('reads the number of rows from a command tag where there is one', () => {
    for (const [tag, rows] of [
      ['SELECT 3', 3],
      ['INSERT 0 5', 5],
      ['BEGIN', undefined],
      ['CREATE TABLE', undefined],
    ] as const)
      assert.deepEqual(codec.parseCommandComplete(body(codec.commandComplete(tag))), { tag, rows });
  });

  it('writes a refusal as an ERROR whose code, detail and hint every driver shows', () => {
    const refusal = {
      code: 'decided-no',
      message: 'held by rule "writes"',
      detail: 'Ann said no',
      hint: 'ask\0her',
    } as const;
    const [error] = oracle(refusalMessage(refusal));
    assert.deepEqual(
      [
        error?.['severity'],
        error?.['code'],
        error?.['message'],
        error?.['detail'],
        error?.['hint'],
      ],
      ['ERROR', '42501', 'held by rule "writes"', 'Ann said no', 'ask\uFFFDher'],
    );
    assert.equal(
      oracle(refusalMessage({ code: 'refused', sqlstate: '42601', message: 'm' }))[0]?.['code'],
      '42601',
    );
    const notice = codec.parseError(body(heldMessage({ message: 'waits', hint: 'https://gw' })));
    assert.deepEqual(
      [...notice],
      [
        ['S', 'NOTICE'],
        ['V', 'NOTICE'],
        ['C', '01000'],
        ['M', 'waits'],
        ['H', 'https://gw'],
      ],
    );
  });
});
