import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import { test } from 'node:test';
import { chartsOf } from '#bot/reviewing/charts.ts';
import { readCommand } from '#bot/reviewing/command.ts';
import { wrongPost } from '#bot/reviewing/found.ts';
import { unfurling } from '#bot/reviewing/links.ts';
import { summaryPost } from '#bot/reviewing/summary.ts';
import { fits, slackMessage } from '#bot/slack/render.ts';
import type { Charted } from '#src/audit/summary/charted.ts';
import type { Summary } from '#src/audit/summary/summary.ts';
import { checkMessage } from '../../fakes/blockkit.ts';

const NOW = Date.UTC(2026, 10, 20, 12);
const read = (text: string) => readCommand(text, NOW).command;

test('a command is a summary, an incident, help, or else a search', () => {
  assert.deepEqual(read(''), { kind: 'help' });
  assert.deepEqual(read('person:a “b c”'), { kind: 'search', q: 'person:a "b c"' });
  assert.deepEqual(read('summary'), { kind: 'summary' });
  assert.deepEqual(read('summary last 24h target:prod-*'), {
    kind: 'summary',
    from: '24h',
    target: 'prod-*',
  });
  assert.deepEqual(read('summary yesterday'), { kind: 'summary', from: 'yesterday', to: 'today' });
  assert.deepEqual(read('summary after:2026-11-01 before:2026-11-02'), {
    kind: 'summary',
    from: '2026-11-01',
    to: '2026-11-02',
  });
  assert.deepEqual(read('incident start INC-42 target:shop  two  words'), {
    kind: 'start',
    name: 'INC-42',
    target: 'shop',
    note: 'two  words',
  });
  assert.deepEqual(read('incident stop INC-42'), { kind: 'stop', name: 'INC-42' });
  assert.deepEqual(read('incident'), { kind: 'list' });
});

test('what cannot be read is told where', () => {
  for (const [text, at, length] of [
    ['summary last year', 13, 4],
    ['summary 24h 7d', 12, 2],
    ['summary target:a;b', 8, 10],
    ['summary 24h & more', 12, 1],
    ['incident begin X', 9, 5],
    ['incident start', 14, 1],
    ['incident start <!here> target:a', 15, 7],
    ['incident start INC-1 shop', 21, 4],
    ['incident stop INC-1 now', 20, 3],
  ] as const) {
    const said = read(text);
    assert.ok(said.kind === 'wrong', text);
    assert.deepEqual([said.at, said.length], [at, length], text);
  }
  const [code] = wrongPost('a <b> c', [{ at: 2, length: 3, message: 'no' }]).parts;
  assert.deepEqual(code, { kind: 'code', text: 'a <b> c\n  ^^^' });
});

const EVIL = '<!channel>*x*`@a.b';
const line = (value: string, count = 3) => ({ value, count, query: `person:${value}` });
const lines = Array.from({ length: 20 }, (_, i) => line(`${'n'.repeat(60)}${i}@example.com`));
const times = { medianMs: 1_000, p90Ms: 90_000 };
const summary: Summary = {
  from: '2026-11-19T12:00:00.000Z',
  to: '2026-11-20T12:00:00.000Z',
  behind: 2_000,
  statements: 1_234,
  targets: [line('shop', 900), line('prod', 334)],
  people: [line(EVIL), ...lines],
  verdicts: [line('allow', 1_200), line('hold', 20), line('deny', 14)],
  held: {
    count: 20,
    query: 'verdict:hold',
    decisions: [line('approved', 20)],
    times,
    approvers: [{ ...line(EVIL), approved: 3, denied: 0, ...times }],
  },
  refused: [{ ...line(`${EVIL} on shop`), person: EVIL, target: 'shop' }, ...lines].map((one) => ({
    person: 'p',
    target: 't',
    ...one,
  })),
  breakGlass: [
    {
      person: EVIL,
      target: 'shop',
      role: 'dba',
      at: '2026-11-20T01:00:00.000Z',
      until: '2026-11-20T02:00:00.000Z',
      count: 2,
      query: 'kind:statement',
    },
  ],
  unusual: [
    { kind: 'first-use', person: EVIL, target: 'shop', table: 'a.b', count: 1, at: '', query: 'q' },
    { kind: 'rows', person: 'a@b.c', count: 9, usual: 1, at: '', query: 'q' },
  ],
};
const charted: Charted = {
  binMs: 3_600_000,
  bins: [
    { at: '2026-11-19T12:00:00.000Z', allow: 1_200, hold: 0, deny: 14 },
    { at: '2026-11-19T13:00:00.000Z', allow: 0, hold: 20, deny: 0 },
  ],
  waited: [{ uptoMs: 60_000, count: 19 }, { count: 1 }],
};
const view = {
  title: 'What happened',
  publicUrl: 'https://cs.example',
  timeZone: 'Europe/Zurich',
  about: 'Targets: *',
};

test('a summary is a message that Slack takes, with its numbers as links and no name as markup', () => {
  const post = summaryPost({ summary, charted }, view);
  const files = new Map(
    post.parts.flatMap((part, i) => (part.kind === 'image' ? [[part.png, `F${i}`] as const] : [])),
  );
  const message = slackMessage(post, { files });
  const blocks = message.blocks.filter(({ type }) => type !== 'image');
  assert.equal(message.blocks.length - blocks.length, 3);
  assert.deepEqual(checkMessage({ ...message, blocks }), []);
  assert.ok(fits(message));
  const said = JSON.stringify(message.blocks);
  for (const words of ['1,234 statements', '1,200 allowed', '14 refused', 'not reviewed yet'])
    assert.ok(said.includes(words), words);
  assert.match(said, /up to 2,000 records are not counted yet/);
  assert.match(
    said,
    /"url":"https:\/\/cs\.example\/records\?q=person%3Aallow","text":"1,200 allowed"/,
  );
  for (const [, text = ''] of said.matchAll(/"type":"mrkdwn","text":"((?:[^"\\]|\\.)*)"/g))
    assert.doesNotMatch(text, /<!channel/);
  assert.doesNotMatch(post.summary, /channel/);
});

test('a picture is a PNG whose words say its numbers', () => {
  const images = chartsOf(charted, summary.targets, 'Europe/Zurich');
  assert.deepEqual(
    images.map(({ alt }) => alt),
    [
      'Statements per hour (Europe/Zurich), 1200 allowed, 20 held, 14 refused in all. 11-19 13:00: 1200 allowed, 14 refused; 11-19 14:00: 20 held.',
      'Time to a decision. < 60 s: 19; > 60 s: 1.',
      'Statements by target. shop: 900; prod: 334.',
    ],
  );
  const colours = images.map(({ png }) => drawn(Buffer.from(png, 'base64')));
  // Ground, ink, line, allowed, held, refused.
  assert.deepEqual(colours[0], [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(colours[2], [0, 1, 2, 3]);
});

/** The colours that a PNG of ours uses, after its rows were read. */
function drawn(png: Buffer): readonly number[] {
  assert.equal(png.subarray(0, 8).toString('hex'), '89504e470d0a1a0a');
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const at = png.indexOf('IDAT');
  const rows = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
  assert.equal(rows.length, (width + 1) * height);
  const used = new Set<number>();
  for (let y = 0; y < height; y += 1)
    for (const colour of rows.subarray(y * (width + 1) + 1, (y + 1) * (width + 1)))
      used.add(colour);
  return [...used].toSorted((a, b) => a - b);
}

test('nothing is drawn of nothing', () => {
  const bins = charted.bins.map(({ at }) => ({ at, allow: 0, hold: 0, deny: 0 }));
  const waited = charted.waited.map((one) => ({ ...one, count: 0 }));
  assert.deepEqual(chartsOf({ ...charted, bins, waited }, [], 'UTC'), []);
});

test('links say nothing beyond so many a minute', async () => {
  let now = 0;
  const id = '0199c0de-0000-7000-8000-000000000000';
  const office = {
    outline: (kind: 'record' | 'request' | 'session' | 'grant') =>
      Promise.resolve({ kind, id, state: 'allow' }),
  };
  const unfurl = unfurling(office, 'https://cs.example/gate', () => now);
  const ask = () => unfurl(new URL(`https://cs.example/gate/records/${id}`));
  for (let i = 0; i < 60; i += 1) assert.ok(await ask());
  assert.equal(await ask(), undefined);
  now = 60_000;
  assert.ok(await ask());
  assert.equal(await unfurl(new URL(`https://cs.example/records/${id}`)), undefined);
  assert.equal(await unfurl(new URL(`https://cs.example/gateway/records/${id}`)), undefined);
});
