import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Asciicast } from '#src/recording/asciicast.ts';
import { all, aSession, startWorld, type World } from './world.ts';

type Event = readonly [number, string, string];

/** Strict: what the page on asciicast v3 does not allow is an error. */
function parseCast(text: string): { header: Record<string, unknown>; events: Event[] } {
  assert.ok(text.endsWith('\n'));
  const lines = text.slice(0, -1).split('\n');
  const header: Record<string, unknown> = JSON.parse(lines[0] ?? '');
  assert.equal(header['version'], 3);
  const term = header['term'];
  assert.ok(typeof term === 'object' && term !== null && 'cols' in term && 'rows' in term);
  assert.ok(Number.isInteger(term.cols) && Number.isInteger(term.rows));
  assert.ok(Number.isInteger(header['timestamp']));
  const events = lines.slice(1).flatMap((line): Event[] => {
    if (line.startsWith('#')) return [];
    const event: unknown = JSON.parse(line);
    assert.ok(Array.isArray(event) && event.length === 3, line);
    const [interval, code, data] = event;
    assert.ok(typeof interval === 'number' && interval >= 0, line);
    assert.ok(typeof code === 'string' && 'oimrx'.includes(code) && code.length === 1, line);
    assert.ok(typeof data === 'string' && data.isWellFormed(), line);
    if (code === 'r') assert.match(data, /^\d+x\d+$/);
    if (code === 'x') assert.match(data, /^\d+$/);
    return [[interval, code, data]];
  });
  return { header, events };
}

describe('asciicast v3', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.close());

  test('holds what came out of a terminal, also where a character or an escape was cut', async () => {
    const session = aSession('ssh');
    const recording = world.recordings.open(session);
    const bytes = Buffer.from('Grüße \u{1f980}\r\n\x1b[31mred\x1b[0m');
    for (const byte of bytes) recording.output(Buffer.of(byte));
    recording.resize(120, 40);
    recording.marker('ls -l');
    recording.input(Buffer.from('q'));
    recording.output(Buffer.from([0xff, 0x41]));
    recording.output(Buffer.from([0xf0, 0x9f]));
    recording.exit(3);
    await recording.close();
    const cast = new Asciicast();
    let text = cast.header(session, { cols: 100, rows: 30, term: 'xterm-256color' });
    for (const event of await all(world.recordings.readRecording(session.id)))
      text += cast.lines(event);
    const { header, events } = parseCast(text);
    assert.deepEqual(header['term'], { cols: 100, rows: 30, type: 'xterm-256color' });
    assert.equal(header['timestamp'], session.startedAt.getTime() / 1000);
    const out = events
      .filter(([, code]) => code === 'o')
      .map(([, , data]) => data)
      .join('');
    assert.equal(out, `${bytes.toString()}\u{fffd}A\u{fffd}`);
    const others = events.filter(([, code]) => code !== 'o').map(([, code, data]) => [code, data]);
    assert.deepEqual(others, [
      ['r', '120x40'],
      ['m', 'ls -l'],
      ['i', 'q'],
      ['x', '3'],
    ]);
  });

  test('intervals add up to the time of the last event, and gaps are markers', () => {
    const cast = new Asciicast();
    const session = aSession('ssh');
    const times = [333, 333, 1_000, 2_001, 2_002];
    let text = cast.header(session);
    for (const t of times) text += cast.lines({ t, k: 'output', data: 'x' });
    text += cast.lines({ t: 2_500, k: 'gap', reason: 'missing', chunk: 4 });
    const { events } = parseCast(text);
    const sum = events.reduce((total, [interval]) => total + interval, 0);
    assert.ok(Math.abs(sum - 2.5) < 1e-9);
    assert.deepEqual(events.at(-1)?.slice(1), ['m', 'gap: missing (chunk 4)']);
  });
});
