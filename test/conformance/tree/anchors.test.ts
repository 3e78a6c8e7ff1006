import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { compareHeads, missingCommits, storedLog } from '#src/audit/tree/anchor-check.ts';
import { checkpointsInGit, layInGit, type GitPlace } from '#src/audit/tree/anchor-git.ts';
import { anchorStates } from '#src/audit/tree/anchors.ts';
import { checkpointText, parseCheckpoint } from '#src/audit/tree/checkpoint.ts';
import { formatNote, formatVkey, parseNote, signText } from '#src/audit/tree/note.ts';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { parseTrust, type Trust } from '#src/audit/tree/trust.ts';
import { eventually } from '../../fakes/gateway.ts';
import { ORIGIN, TreeWorld, write } from '../tree-world.ts';

const run = promisify(execFile);
const git = async (...args: readonly string[]): Promise<string> =>
  (await run('git', ['-c', 'user.name=x', '-c', 'user.email=x@y', ...args])).stdout.trim();

/** A bare repository of somebody, and a place in it. */
async function repository(world: TreeWorld, name = 'anchors'): Promise<GitPlace> {
  const path = join(world.folder, `${name}.git`);
  await git('init', '-q', '--bare', path);
  return { repository: path, branch: 'checkpoints', folder: join(world.folder, `${name}-copy`) };
}

const anchorOf = (place: GitPlace, everyMs = 0) => ({
  place: 'git',
  everyMs,
  lay: (note: string) => layInGit(place, note),
});

/** A log whose checkpoints are laid down at these sizes, one after the other. */
async function grow(world: TreeWorld, place: GitPlace, steps: readonly number[]): Promise<void> {
  const log = await world.writer();
  world.sequence();
  world.checkpoint();
  world.anchor(anchorOf(place));
  let size = 0;
  for (const step of steps) {
    await write(log, step);
    size += step;
    const laid = async () =>
      (await anchorStates(world.store.db, ['git']))[0]?.size === size || undefined;
    await eventually(`an anchor of ${size}`, laid, 20);
  }
}

const trustOf = async (world: TreeWorld): Promise<Trust> =>
  parseTrust(`log ${formatVkey(await world.key())}\nquorum none\n`);

async function problems(world: TreeWorld, place: GitPlace): Promise<readonly string[]> {
  const there = await checkpointsInGit(place);
  const found = there.map(({ commit, note }) => ({ where: `git ${commit.slice(0, 7)}`, note }));
  return [
    ...(await compareHeads(found, await storedLog(world.store.db), await trustOf(world))),
    ...(await missingCommits(world.store.db, 'git', there)),
  ];
}

describe('a checkpoint is appended to a git repository', () => {
  test('as one commit each, beside what else is on the branch, and it can be read back', async () => {
    await using world = await TreeWorld.start();
    const place = await repository(world);
    const clone = join(world.folder, 'clone');
    await git('clone', '-q', place.repository, clone);
    await git('-C', clone, 'checkout', '-q', '-b', place.branch);
    await writeFile(join(clone, 'README'), 'kept by the auditor\n');
    await git('-C', clone, 'add', '.');
    await git('-C', clone, 'commit', '-qm', 'begin');
    await git('-C', clone, 'push', '-q', 'origin', place.branch);
    await grow(world, place, [5, 300, 7]);
    const there = await checkpointsInGit(place);
    assert.deepEqual(
      there.map(({ note }) => parseCheckpoint(parseNote(note).text).size),
      [5, 305, 312],
    );
    assert.deepEqual(await problems(world, place), []);
    const [state] = await anchorStates(world.store.db, ['git', 'other']);
    assert.equal(state?.reference, there.at(-1)?.commit);
    assert.equal(state?.age, 0);
    await git('-C', clone, 'pull', '-q', 'origin', place.branch);
    assert.equal(await readFile(join(clone, 'README'), 'utf8'), 'kept by the auditor\n');
    assert.equal(await readFile(join(clone, 'checkpoint'), 'utf8'), there.at(-1)?.note);
    assert.match(
      await git('-C', clone, 'log', '-1', '--format=%an %s'),
      /^Countersign Checkpoint of 312/,
    );
    assert.deepEqual(world.errors.map(String), []);
  });

  test('whoever is overtaken tries again, and no commit is lost', async () => {
    await using world = await TreeWorld.start();
    const place = await repository(world);
    const key = await openKeyFile(join(world.folder, 'signer.pem'));
    const noteOf = (size: number) => {
      const text = checkpointText({ origin: ORIGIN, size, root: Buffer.alloc(32, size) });
      return formatNote({ text, signatures: [signText(text, ORIGIN, key)] });
    };
    await layInGit(place, noteOf(1));
    const others = [2, 3].map((n) => ({ ...place, folder: join(world.folder, `copy-${n}`) }));
    // The same size twice, since a shorter one than is there is refused.
    const laid = await Promise.all([place, ...others].map((one) => layInGit(one, noteOf(9))));
    assert.equal(new Set(laid).size, 1);
    assert.equal((await checkpointsInGit(place)).length, 2);
    await assert.rejects(layInGit(place, noteOf(5)), /holds a checkpoint of 9 records/);
  });

  test('a copy that was killed in the middle is made anew, and a missing repository is said', async () => {
    await using world = await TreeWorld.start();
    const place = await repository(world);
    await grow(world, place, [3]);
    await mkdir(join(place.folder, 'refs/anchor'), { recursive: true });
    await writeFile(join(place.folder, 'refs/anchor/checkpoints.lock'), '');
    assert.equal((await checkpointsInGit(place)).length, 1);
    const nowhere = { ...place, repository: join(world.folder, 'nowhere.git') };
    await assert.rejects(checkpointsInGit(nowhere), /does not appear to be a git repository/);
    const secret = { ...place, repository: 'http://user:geheim@127.0.0.1:1/x.git' };
    await assert.rejects(checkpointsInGit(secret), (error: Error) => {
      assert.match(error.message, /git fetch ended/);
      assert.doesNotMatch(error.message, /geheim/);
      return true;
    });
    const command = { ...place, repository: `ext::touch ${join(world.folder, 'ran')}` };
    await assert.rejects(checkpointsInGit(command), /transport 'ext' not allowed/);
  });
});

describe('what is laid down in git convicts', () => {
  test('a log that was cut off', async () => {
    await using world = await TreeWorld.start();
    const place = await repository(world);
    await grow(world, place, [10, 10]);
    await world.closeAll();
    await world.tamper('delete from countersign.tree_checkpoint where size > 10');
    await world.tamper('delete from countersign.tree_entry where index >= 10');
    await world.tamper('update countersign.tree_head set size = 10');
    assert.match((await problems(world, place)).join('\n'), /a tree of 20 .* only 10 are there/);
  });

  test('a log that was made anew, signed with its own key', async () => {
    await using world = await TreeWorld.start();
    const place = await repository(world);
    await grow(world, place, [10, 10]);
    await world.closeAll();
    await world.tamper(
      'truncate countersign.record, countersign.record_body, countersign.tree_entry, countersign.tree_tile, countersign.tree_writer, countersign.tree_checkpoint cascade',
    );
    await world.tamper('update countersign.tree_head set size = 0');
    const again = await world.writer();
    world.sequence();
    await write(again, 40);
    await world.reaches(40);
    const found = await problems(world, place);
    assert.equal(found.filter((one) => one.includes('is a fork')).length, 2, found.join('\n'));
  });

  test('a repository whose history was written anew, or that holds what the log has not signed', async () => {
    await using world = await TreeWorld.start();
    const place = await repository(world);
    await grow(world, place, [10, 10]);
    const [first, last] = await checkpointsInGit(place);
    await git(
      '-C',
      place.repository,
      'update-ref',
      `refs/heads/${place.branch}`,
      first?.commit ?? '',
    );
    assert.deepEqual(await problems(world, place), [
      `git: the checkpoint of 20 records, commit ${last?.commit}, is not in the repository any more`,
    ]);
    const key = await openKeyFile(join(world.folder, 'stranger.pem'));
    const text = parseNote(last?.note ?? '').text;
    const forged = formatNote({ text, signatures: [signText(text, ORIGIN, key)] });
    const found = await compareHeads(
      [{ where: 'pasted', note: forged }],
      await storedLog(world.store.db),
      await trustOf(world),
    );
    assert.match(found.join(), /^pasted: no log of the policy has signed it/);
  });
});

describe('an anchor that fails or hangs', () => {
  test('keeps the log waiting for nothing, is said once, and its age grows', async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer();
    world.sequence();
    world.checkpoint();
    const { promise: never, resolve: end } = Promise.withResolvers<string>();
    const bad = { place: 'bad', everyMs: 0, lay: () => Promise.reject(new Error('no way')) };
    world.anchor(bad, { place: 'hangs', everyMs: 0, lay: () => never });
    await write(log, 5);
    await eventually('signed', async () => (await world.signed())?.size === 5, 20);
    await write(log, 5);
    await eventually('signed again', async () => (await world.signed())?.size === 10, 20);
    await world.heard(/no checkpoint was laid down in bad: no way/);
    const states = await anchorStates(world.store.db, ['bad', 'hangs']);
    assert.deepEqual(
      states.map(({ place, size, problem }) => ({ place, size, problem })),
      [
        { place: 'bad', size: undefined, problem: 'no way' },
        { place: 'hangs', size: undefined, problem: undefined },
      ],
    );
    for (const { age } of states) assert.ok(age > 0);
    assert.equal(world.errors.length, 1);
    end('here');
    await eventually('anchored', async () => {
      const [one] = await anchorStates(world.store.db, ['hangs']);
      return one?.size !== undefined || undefined;
    });
  });

  test('two processes take turns, and lay each checkpoint down once', async () => {
    await using world = await TreeWorld.start();
    const log = await world.writer();
    world.sequence();
    world.checkpoint();
    let atOnce = 0;
    const laid: number[] = [];
    const lay = async (note: string): Promise<string> => {
      atOnce += 1;
      assert.equal(atOnce, 1);
      laid.push(parseCheckpoint(parseNote(note).text).size);
      await new Promise((resolve) => setTimeout(resolve, 30));
      atOnce -= 1;
      return 'x';
    };
    for (let n = 0; n < 3; n += 1) world.anchor({ place: 'one', everyMs: 0, lay });
    for (let n = 0; n < 5; n += 1) {
      await write(log, 10);
      await eventually('laid', () => laid.includes((n + 1) * 10) || undefined, 20);
    }
    assert.deepEqual(
      laid,
      laid.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(laid).size, laid.length);
    assert.deepEqual(world.errors.map(String), []);
  });
});
