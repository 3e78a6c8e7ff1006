import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCheckpoint } from './checkpoint.ts';
import { parseNote } from './note.ts';

export type GitPlace = {
  /** A path, or an address that git knows. */
  readonly repository: string;
  readonly branch: string;
  /** Where its copy of the repository is kept; made when it is missing, and of no worth. */
  readonly folder: string;
};

export type GitCheckpoint = { readonly commit: string; readonly note: string };

const FILE = 'checkpoint';
const PATIENCE_MS = 60_000;
const TRIES = 4;
const HALF_DONE = /\.lock|cannot lock ref|bad object|corrupt|not a git repository: /i;

class GitFailed extends Error {
  override name = 'GitFailed';
}

/**
 * Appends a checkpoint to a branch of a repository as a commit, and never takes one away: it pushes only what continues
 * the branch, and tries again when somebody else was faster. Resolves with the commit.
 */
export async function layInGit(place: GitPlace, note: string): Promise<string> {
  const { text } = parseNote(note);
  const head = parseCheckpoint(text);
  for (let attempt = 1; ; attempt += 1) {
    // oxlint-disable no-await-in-loop -- one try after the other
    const parent = await fetchBranch(place);
    if (parent !== undefined) {
      const there = await noteOf(place, parent);
      if (there !== undefined && parseNote(there).text === text) return parent;
      refuseShorter(there, head.size);
    }
    const commit = await commitOf(place, parent, note, head);
    try {
      await git(place, ['push', '-q', place.repository, `${commit}:refs/heads/${place.branch}`]);
      return commit;
    } catch (error) {
      const overtaken =
        error instanceof GitFailed && /rejected|cannot lock ref/.test(error.message);
      if (!overtaken || attempt === TRIES) throw error;
      await sleep(100 * attempt + Math.random() * 200);
    }
    // oxlint-enable no-await-in-loop
  }
}

/** Every checkpoint of the branch, the oldest first. */
export async function checkpointsInGit(place: GitPlace): Promise<readonly GitCheckpoint[]> {
  const tip = await fetchBranch(place);
  if (tip === undefined) return [];
  const listed = await git(place, ['rev-list', '--first-parent', '--reverse', tip, '--', FILE]);
  const commits = listed.toString().split('\n').filter(Boolean);
  const asked = commits.map((commit) => `${commit}:${FILE}\n`).join('');
  const answers = await git(place, ['cat-file', '--batch'], { input: asked });
  return readBatch(answers, commits);
}

/** `<id> blob <size>`, the bytes and a newline for each; `<name> missing` where the file is not in the commit. */
function readBatch(answers: Buffer, commits: readonly string[]): GitCheckpoint[] {
  const found: GitCheckpoint[] = [];
  let at = 0;
  for (const commit of commits) {
    const end = answers.indexOf('\n', at);
    const [, type, size] = answers.toString('utf8', at, end).split(' ');
    at = end + 1;
    if (type !== 'blob') continue;
    found.push({ commit, note: answers.toString('utf8', at, at + Number(size)) });
    at += Number(size) + 1;
  }
  return found;
}

function refuseShorter(there: string | undefined, size: number): void {
  if (there === undefined) return;
  const before = parseCheckpoint(parseNote(there).text).size;
  if (before > size)
    throw new Error(
      `it holds a checkpoint of ${before} records, and the log has ${size}: the log was cut off, or an old backup was restored`,
    );
}

/** The tip of the branch; undefined when there is none yet. */
async function fetchBranch(place: GitPlace, tries = TRIES): Promise<string | undefined> {
  await prepare(place);
  const { repository, branch } = place;
  const own = `refs/anchor/${branch}`;
  const spec = `+refs/heads/${branch}:${own}`;
  const fetching = ['fetch', '-q', '--no-tags', '--no-write-fetch-head', repository, spec];
  try {
    await git(place, fetching);
  } catch (error) {
    if (!(error instanceof GitFailed)) throw error;
    if (/couldn't find remote ref/.test(error.message)) return undefined;
    // Somebody else may be at the copy now. What a killed run has left half-done in it is made anew at last; the repository
    // itself is not touched.
    if (tries === 0 || !HALF_DONE.test(error.message)) throw error;
    await sleep(100);
    if (tries === 1) await rm(place.folder, { recursive: true, force: true });
    return fetchBranch(place, tries - 1);
  }
  return (await git(place, ['rev-parse', '--verify', own])).toString().trim();
}

async function prepare(place: GitPlace): Promise<void> {
  const there = await stat(join(place.folder, 'HEAD')).catch(() => undefined);
  if (there) return;
  await mkdir(place.folder, { recursive: true, mode: 0o700 });
  await git(place, ['init', '-q', '--bare', place.folder]);
}

async function noteOf(place: GitPlace, commit: string): Promise<string | undefined> {
  const listed = await git(place, ['ls-tree', commit, '--', FILE]);
  if (listed.length === 0) return undefined;
  return (await git(place, ['cat-file', 'blob', `${commit}:${FILE}`])).toString();
}

/** A commit beside everything else that the branch holds. */
async function commitOf(
  place: GitPlace,
  parent: string | undefined,
  note: string,
  { origin, size, root }: { readonly origin: string; readonly size: number; readonly root: Buffer },
): Promise<string> {
  const index = join(place.folder, `index-${randomUUID()}`);
  const withIndex = { env: { GIT_INDEX_FILE: index } };
  const ask = async (args: readonly string[], more: GitOptions = {}): Promise<string> =>
    (await git(place, args, more)).toString().trim();
  try {
    const blob = await ask(['hash-object', '-w', '--stdin'], { input: note });
    if (parent !== undefined) await ask(['read-tree', parent], withIndex);
    await ask(['update-index', '--add', '--cacheinfo', `100644,${blob},${FILE}`], withIndex);
    const tree = await ask(['write-tree'], withIndex);
    const message = `Checkpoint of ${size} records\n\n${origin}\n${root.toString('base64')}\n`;
    const parents = parent === undefined ? [] : ['-p', parent];
    return await ask(['commit-tree', tree, ...parents], { input: message });
  } finally {
    await rm(index, { force: true });
  }
}

type GitOptions = { readonly input?: string; readonly env?: Readonly<Record<string, string>> };

/** Runs git in the copy, without asking anybody anything. Rejects with what it said, without passwords. */
function git(place: GitPlace, args: readonly string[], options: GitOptions = {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['--git-dir', place.folder, ...args], {
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
      env: { ...surroundings(), ...options.env },
    });
    const out: Buffer[] = [];
    let said = '';
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 2_000) said += text;
    });
    child.stdin.on('error', () => undefined).end(options.input ?? '');
    child.on('error', (cause) =>
      reject(new Error(`git cannot be run: ${cause.message}`, { cause })),
    );
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out));
      const how = signal === null ? `ended with ${code}` : 'did not end in time';
      reject(new GitFailed(`git ${args[0]} ${how}: ${withoutPasswords(said.trim())}`));
    });
  });
}

const withoutPasswords = (text: string): string => text.replaceAll(/\/\/[^/@\s]+@/g, '//…@');

/** What git and ssh need of our surroundings, and no settings of whoever started us. */
function surroundings(): NodeJS.ProcessEnv {
  const who = { NAME: 'Countersign', EMAIL: 'countersign@localhost' };
  const env: NodeJS.ProcessEnv = {
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    // Not ext::, which is a command.
    GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes',
    GIT_AUTHOR_NAME: who.NAME,
    GIT_AUTHOR_EMAIL: who.EMAIL,
    GIT_COMMITTER_NAME: who.NAME,
    GIT_COMMITTER_EMAIL: who.EMAIL,
  };
  for (const name of [
    'PATH',
    'HOME',
    'SSH_AUTH_SOCK',
    'SSL_CERT_FILE',
    'HTTPS_PROXY',
    'https_proxy',
  ])
    // oxlint-disable-next-line node/no-process-env -- another program's surroundings, not our configuration
    env[name] = process.env[name];
  return env;
}
