import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { main } from '#cli/main.ts';
import type { Terminal } from '#cli/terminal.ts';
import { need, without } from '../fakes/need.ts';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-completions-'));
});
after(() => rm(dir, { recursive: true }));

const exec = promisify(execFile);

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
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
  return { code: await main(argv, terminal), out: out.join('\n'), err: err.join('\n') };
}

/** The script in a file of its own. */
async function script(shell: string, name = `complete.${shell}`): Promise<string> {
  const { code, out } = await run('completions', shell);
  assert.equal(code, 0);
  const path = join(dir, name);
  await writeFile(path, `${out}\n`);
  return path;
}

test('an unknown shell, and none, are bad usage', async () => {
  assert.equal((await run('completions')).code, 2);
  assert.match((await run('completions', 'tcsh')).err, /bash, zsh or fish/);
});

test('bash completes commands, actions and options', { skip: without('bash') }, async () => {
  const path = await script('bash');
  const complete = async (...words: string[]): Promise<string[]> => {
    const line = `source '${path}'; COMP_WORDS=(countersign "$@"); COMP_CWORD=$#; _countersign; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await exec(need('bash') ?? '', ['--norc', '-c', line, 'bash', ...words]);
    return stdout.trim().split('\n').toSorted();
  };
  assert.deepEqual(await complete('log'), ['login', 'logout']);
  assert.deepEqual(await complete('requests', 'a'), ['answer', 'approve', 'ask']);
  assert.deepEqual(await complete('completions', ''), ['bash', 'fish', 'zsh']);
  assert.deepEqual(await complete('login', '--g'), ['--gateway']);
  assert.ok((await complete('connect', '')).length > 0);
  const files = await complete('connect', 'shop', '--', `${dir}/compl`);
  assert.ok(files.includes(path), files.join());
});

test('zsh completes commands, actions and options', { skip: without('zsh') }, async () => {
  const path = await script('zsh', '_countersign');
  // What the functions of zsh are told is what they would show.
  const stub = `
    compdef() { :; }
    _describe() { print -rl -- \${(P)2}; }
    _arguments() { print -rl -- "$@"; }
    source '${path}'
    words=(countersign "$@"); CURRENT=\${#words}; _countersign`;
  const complete = async (...words: string[]): Promise<string> =>
    (await exec(need('zsh') ?? '', ['-f', '-c', stub, 'zsh', ...words])).stdout;
  assert.match(await complete('l'), /^login:sign this terminal in/m);
  assert.match(
    await complete('requests', ''),
    /1:action:\(list show approve deny ask answer hand-over remind\)/,
  );
  assert.match(await complete('login', '--'), /^--gateway=\[address of the console/m);
});

test('fish completes commands, actions and options', { skip: without('fish') }, async () => {
  const path = await script('fish');
  const complete = async (line: string): Promise<string> => {
    const home = { HOME: dir, PATH: '/usr/bin:/bin', XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir };
    const said = `source '${path}'; complete -C '${line}'`;
    return (await exec(need('fish') ?? '', ['--no-config', '-c', said], { env: home })).stdout;
  };
  assert.match(await complete('countersign log'), /^login\t.*\nlogout\t/m);
  assert.match(await complete('countersign requests app'), /^approve/m);
  assert.match(await complete('countersign login --gat'), /^--gateway/m);
});
