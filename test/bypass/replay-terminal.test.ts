import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Harmless, RESTORED } from '#cli/replay/harmless.ts';
import { play } from '#cli/replay/cast.ts';
import { Transcript } from '#cli/replay/transcript.ts';
import type { Terminal } from '#cli/terminal.ts';
import type { RecordingEvent } from '#src/recording/port.ts';

const ESC = '\u001B';
const ALLOWED = '\b\t\n\v\f\r\u000E\u000F\u001B';
const filtered = (text: string): string => new Harmless().take(text);

/** What makes a terminal answer into the shell of whoever looks, or reach beyond its screen. */
const HARMFUL = {
  'clipboard (OSC 52)': `${ESC}]52;c;cm0gLXJmIH4=\u0007`,
  'clipboard, ended by ST': `${ESC}]52;c;cm0gLXJmIH4=${ESC}\\`,
  'clipboard in C1 controls': '\u009D52;c;cm0gLXJmIH4=\u009C',
  title: `${ESC}]0;rm -rf ~\u0007`,
  'title report': `${ESC}[21t`,
  'icon report in C1': '\u009B20t',
  'window moved': `${ESC}[3;0;0t`,
  'device attributes': `${ESC}[c`,
  'secondary device attributes': `${ESC}[>0c`,
  'terminal id (DECID)': `${ESC}Z`,
  'cursor report': `${ESC}[6n`,
  'private report': `${ESC}[?15n`,
  'mode report (DECRQM)': `${ESC}[?2004$p`,
  'parameters (DECREQTPARM)': `${ESC}[x`,
  version: `${ESC}[>q`,
  'keyboard protocol asked': `${ESC}[?u`,
  'keyboard protocol set': `${ESC}[>1u`,
  modifyOtherKeys: `${ESC}[>4;2m`,
  'colour report (OSC 4)': `${ESC}]4;1;?\u0007`,
  'background report (OSC 11)': `${ESC}]11;?${ESC}\\`,
  'link (OSC 8)': `${ESC}]8;;file:///etc/passwd\u0007`,
  'file (OSC 1337)': `${ESC}]1337;File=name=eA==:eA==\u0007`,
  notification: `${ESC}]777;notify;a;b\u0007`,
  'status string (DECRQSS)': `${ESC}P$qm${ESC}\\`,
  'terminfo string (XTGETTCAP)': `${ESC}P+q544e${ESC}\\`,
  sixel: `${ESC}Pq#0;2;0;0;0${ESC}\\`,
  'tmux pass-through': `${ESC}Ptmux;${ESC}${ESC}]52;c;eA==\u0007${ESC}\\`,
  'kitty graphics (APC)': `${ESC}_Ga=q;AAAA${ESC}\\`,
  'privacy message': `${ESC}^x${ESC}\\`,
  'start of string': `${ESC}Xx${ESC}\\`,
  'mouse reports': `${ESC}[?1000h`,
  'focus reports among others': `${ESC}[?25;1004h`,
  'bracketed paste': `${ESC}[?2004h`,
  'answerback (ENQ)': '\u0005',
  'full reset': `${ESC}c`,
  printer: `${ESC}[5i`,
  'checksum of a rectangle': `${ESC}[1;1;1;1;1;1*y`,
  'locking the keyboard': `${ESC}[2h`,
  bells: '\u0007',
};

for (const [name, sequence] of Object.entries(HARMFUL))
  test(`${name} is not played, whole or in pieces, and the text around it is`, () => {
    assert.equal(filtered(`a${sequence}b`), 'ab');
    const pieces = new Harmless();
    const out = `a${sequence}b`
      .split('')
      .map((each) => pieces.take(each))
      .join('');
    assert.equal(out, 'ab');
    // Cut off by another sequence or by nothing at all.
    assert.doesNotMatch(filtered(`${sequence.slice(0, -1)}${ESC}[31mred`), /52;c|\[21|\?1000/u);
  });

test('what draws is played as it came', () => {
  const drawn = [
    'plain, ünïcödé, 表, 🐘\r\n\t\b',
    `${ESC}[1;38;5;196;48:2::1:2:3mcolour${ESC}[0m`,
    `${ESC}[H${ESC}[2J${ESC}[10;20Hmove${ESC}[3A${ESC}[K`,
    `${ESC}[?1049h${ESC}[?25l${ESC}[1;20r${ESC}[?1l${ESC}=`,
    `${ESC}7${ESC}8${ESC}(0lqk${ESC}(B${ESC}M${ESC}[2 q`,
  ];
  for (const text of drawn) assert.equal(filtered(text), text);
});

test('whatever comes, nothing but what is known to draw goes by', () => {
  const parts = fc.array(
    fc.oneof(
      fc.constantFrom(...Object.values(HARMFUL)),
      fc.constantFrom(ESC, '\u009B', '\u009D', '[', ']', '?', ';', '52', 'c', '\\', '\u0007', '6n'),
      fc.string({ unit: 'binary', maxLength: 6 }),
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(parts, (all) => {
      const pieces = new Harmless();
      const out = all.map((part) => pieces.take(part)).join('');
      assert.equal(out, filtered(all.join('')));
      // Backspace to shift in, and escapes that are looked at below.
      const left = out.replaceAll(/\p{Cc}/gu, (each) => (ALLOWED.includes(each) ? '' : each));
      assert.doesNotMatch(left, /\p{Cc}/u);
      for (const rest of out.split(ESC).slice(1))
        assert.match(rest, /^(?:\[[?\d;:]* ?[@A-MPST`abdefgmrsuXZhlq]|[78DEHM=>]|[()*+#].)/u);
      assert.equal(filtered(out), out);
    }),
    { numRuns: 500 },
  );
});

async function* brokenOff() {
  yield '{"version":3,"term":{"cols":80,"rows":24}}';
  yield '# a comment';
  yield JSON.stringify([0.5, 'o', `${ESC}[?1049h${ESC}]52;c;eA==\u0007hidden`]);
  throw new Error('broke off');
}

test('a terminal is put right after a recording, also after one that is cut off', async () => {
  const written: string[] = [];
  const screen = { write: (text: string) => void written.push(text), say: () => undefined };
  const pace = { speed: Infinity, idle: 2, at: 0 };
  await assert.rejects(play(brokenOff(), pace, screen, new AbortController().signal), /broke off/);
  assert.deepEqual(written, [`${ESC}[?1049hhidden`, RESTORED]);
});

test('statements, results, errors and names in a transcript move no cursor and turn no text around', () => {
  const evil = `x${ESC}[2J${ESC}]52;c;eA==\u0007\u009B6n\u202Egnp.exe\u2066\r`;
  const events: RecordingEvent[] = [
    { t: 1, k: 'statement', id: 'a', text: `select '${evil}'\n, 2`, verdict: 'allow' },
    { t: 2, k: 'columns', s: 'a', names: [evil] },
    { t: 3, k: 'row', s: 'a', cells: [evil] },
    { t: 3, k: 'rest', s: 'a', rows: 1, bytes: 3, digest: evil },
    { t: 4, k: 'notice', s: 'a', severity: evil, code: evil, message: evil, detail: evil },
    { t: 4, k: 'error', s: 'a', severity: 'ERROR', code: evil, message: evil, hint: evil },
    { t: 5, k: 'end', s: 'a', tag: evil, rows: 1, ms: 2 },
    { t: 6, k: 'statement', id: evil, text: evil, verdict: 'deny' },
  ];
  const out: string[] = [];
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    err: (line) => void out.push(line),
    status: () => undefined,
    paint: (_, text) => text,
    interactive: false,
    width: 40,
  };
  const transcript = new Transcript(terminal);
  for (const event of events) transcript.show(event);
  transcript.end();
  assert.match(out.join('\n'), /\\u001b\[2J/u);
  assert.doesNotMatch(out.join(''), /[\p{Cc}\u202A-\u202E\u2066-\u2069]/u);
});
