import type { OcsfEvent } from '#src/audit/export/ocsf.ts';
import type { ExportedRecord } from '#src/audit/export/ocsf-parts.ts';

export const product = { origin: 'log.example.com/test', version: '1.2.3' };
export const record = (kind: string, more: Partial<ExportedRecord> = {}): ExportedRecord => ({
  index: 41,
  id: '16251f1f-a5b3-458c-8352-1cdb3c2da22f',
  writer: 'gateway-a',
  time: 1_795_200_810_214,
  kind,
  hash: '00'.repeat(32),
  ...more,
});
const session = {
  session: '26251f1f-a5b3-458c-8352-1cdb3c2da22f',
  person: 'ada@example.com',
  target: 'shop',
};
export const statement = { ...session, statement: '36251f1f-a5b3-458c-8352-1cdb3c2da22f' };
const request = { ...statement, request: '46251f1f-a5b3-458c-8352-1cdb3c2da22f' };
export const asked = {
  application: 'psql',
  class: ['update'],
  client: '10.1.2.3:51234',
  database: 'shop',
  policy: 'v1',
  rules: ['shop-writes'],
  text: 'update orders set note = $1',
  words: ['updates shop.public.orders'],
};

/** Records, the type of their event, and what else it holds. */
export const CASES: readonly (readonly [ExportedRecord, number, OcsfEvent])[] = [
  [
    record('statement', { ...statement, verdict: 'allow', body: asked }),
    600_502,
    { disposition_id: 1 },
  ],
  [
    record('statement', { ...statement, verdict: 'deny', body: { ...asked, class: ['delete'] } }),
    600_507,
    { disposition_id: 2, severity_id: 3, status_id: 2 },
  ],
  [
    record('statement', { ...statement, verdict: 'hold', body: { ...asked, class: ['select'] } }),
    600_504,
    { disposition_id: 14 },
  ],
  [
    record('statement', { ...statement, agent: 'helper', verdict: 'allow' }),
    600_504,
    { unmapped: { leaf_hash: '00'.repeat(32), erased: true } },
  ],
  [
    record('outcome', { ...statement, body: { ok: true, tags: ['UPDATE 1'] } }),
    600_504,
    { status_id: 1, message: 'UPDATE 1' },
  ],
  [
    record('outcome', { ...statement, body: { ok: false, unknown: true } }),
    600_504,
    { status_id: 0 },
  ],
  [
    record('session-start', { ...session, body: { client: '[::1]:5000' } }),
    300_201,
    { src_endpoint: { ip: '::1' } },
  ],
  [
    record('session-end', { ...session, body: { why: 'closed' } }),
    300_202,
    { status_detail: 'closed' },
  ],
  [
    record('sign-in', { person: 'ada@example.com', body: { ok: false } }),
    300_201,
    { status_id: 2 },
  ],
  [
    record('sign-in', { body: { action: 'failed', client: '10.9.9.9' } }),
    300_201,
    { status_id: 2, src_endpoint: { ip: '10.9.9.9' } },
  ],
  [record('session-start', { ...session, verdict: 'deny', body: {} }), 300_201, { status_id: 2 }],
  [record('sign-out', { person: 'ada@example.com', body: {} }), 300_202, {}],
  [record('request', { ...request, body: { event: 'opened' } }), 600_301, {}],
  [record('decision', { ...request, body: { decision: 'approve', reason: 'fine' } }), 300_501, {}],
  [record('decision', { ...request, body: { decision: 'deny' } }), 300_502, {}],
  [record('claim', { ...request, verdict: 'approved', body: {} }), 300_301, {}],
  ...(['started', 'ended', 'revoked', 'reviewed'] as const).map(
    (event): [ExportedRecord, number, object] => [
      record('grant', {
        ...request,
        body: { event, role: 'writer', of: 'ada@example.com', why: 'its time is over' },
      }),
      event === 'started' ? 300_501 : event === 'reviewed' ? 300_599 : 300_502,
      {},
    ],
  ),
  [
    record('token', {
      person: 'ada@example.com',
      body: { action: 'issue', label: 'x', token: 't' },
    }),
    300_401,
    {},
  ],
  [
    record('token', { person: 'ada@example.com', body: { action: 'revoke', token: 't' } }),
    300_404,
    {},
  ],
  [record('person', { person: 'ada@example.com', body: { event: 'deactivated' } }), 300_411, {}],
  [record('group', { body: { event: 'changed' } }), 300_403, {}],
  [record('policy', { body: { version: 'v2', cause: 'start' } }), 300_403, {}],
  [
    record('look', { person: 'sec@example.com', body: { looked: 'search', via: 'api' } }),
    600_302,
    {},
  ],
  [
    record('erasure', { person: 'ada@example.com', body: { event: 'begin', reason: 'asked for' } }),
    600_304,
    {},
  ],
  [
    record('legal-hold', { person: 'ada@example.com', body: { event: 'place', name: 'case-7' } }),
    300_403,
    {},
  ],
  [
    record('recording', {
      person: 'ada@example.com',
      body: { chunk: 0, events: 4, from: 0, to: 9_000, bytes: 512, digest: 'ab' },
    }),
    600_301,
    {},
  ],
  [record('recovery', { body: { heads: [] } }), 600_399, {}],
  [record('writer', { body: { event: 'start', epoch: 1 } }), 600_399, {}],
  [record('heartbeat', { body: { seq: 7, sessions: 2, heads: [] } }), 600_399, {}],
  [record('of-tomorrow', { body: { a: 1 } }), 600_399, {}],
];
