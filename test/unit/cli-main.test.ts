import assert from 'node:assert/strict';
import { test } from 'node:test';
import { integer, nearest, parse } from '#cli/command.ts';
import { main } from '#cli/main.ts';
import type { Terminal } from '#cli/terminal.ts';

type Captured = { readonly terminal: Terminal; readonly out: string[]; readonly err: string[] };

function capture(): Captured {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    status: () => undefined,
    paint: (_, text) => text,
    interactive: false,
    width: undefined,
  };
  return { terminal, out, err };
}

test('every command has help that names its usage and options, and exits 0', async () => {
  const names = ['demo', 'serve', 'query', 'requests', 'token', 'policy', 'audit', 'doctor'];
  names.push('login', 'logout', 'whoami', 'connect', 'completions');
  for (const name of names) {
    for (const argv of [
      [name, '--help'],
      ['help', name],
    ]) {
      const { terminal, out } = capture();
      assert.equal(await main(argv, terminal), 0);
      assert.match(out.join('\n'), new RegExp(`^Usage: countersign ${name}\\b[^]*\\n  -h, --help`));
    }
  }
  const { terminal, out } = capture();
  assert.equal(await main(['--help'], terminal), 0);
  for (const name of names) assert.match(out.join('\n'), new RegExp(`^  ${name} `, 'm'));
});

test('the version is the package’s own', async () => {
  const { terminal, out } = capture();
  assert.equal(await main(['--version'], terminal), 0);
  assert.match(out.join(''), /^\d+\.\d+\.\d+/);
});

test('an unknown command or option exits 2 and suggests what was meant', async () => {
  for (const [argv, hint] of [
    [['qury'], /did you mean query\?/],
    [['constructor'], /--help lists/],
    [['query', 'shop', '--jsn', 'select 1'], /did you mean --json\?/],
    [['query', 'shop', '--as'], /--help/],
    [['--frobnicate'], /--help lists/],
  ] as const) {
    const { terminal, err } = capture();
    assert.equal(await main(argv, terminal), 2);
    assert.match(err.join('\n'), hint);
    assert.doesNotMatch(err.join('\n'), /\n\s+at /);
  }
});

test('no command at all prints the overview and exits 2', async () => {
  const { terminal, err } = capture();
  assert.equal(await main([], terminal), 2);
  assert.match(err.join(''), /Usage:/);
});

test('a suggestion is only made where most letters agree', () => {
  assert.equal(nearest('tokne', ['token', 'query']), 'token');
  assert.equal(nearest('xyz', ['token', 'query']), undefined);
});

test('what follows two dashes is a value, not an option', () => {
  assert.deepEqual(parse(['shop', '--', '--comment'], {}).positionals, ['shop', '--comment']);
});

test('a number option outside its range is refused with its name', () => {
  assert.equal(integer('65535', 'port', 1, 65_535), 65_535);
  for (const bad of ['0', '65536', '1e3', '-1', ''])
    assert.throws(() => integer(bad, 'port', 1, 65_535), { exit: 2, message: /--port/ });
});
