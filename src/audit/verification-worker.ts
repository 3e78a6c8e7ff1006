import { parentPort, workerData } from 'node:worker_threads';
import { openDatabase } from '../store/database.ts';
import { readGitAnchors } from './tree/anchor-check.ts';
import { parseTrust } from './tree/trust.ts';
import { verifyTree } from './tree/verify-tree.ts';
import type { Step, Task } from './verification.ts';
import { verifyLog } from './verify.ts';

// Hashing a million records would keep whoever holds statements from its work, so it has a thread of its own.
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
const say = (step: Step): void => parentPort?.postMessage(step);

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by verification.ts
const { url, trust: text, anchors, records } = workerData as Task;
const trust = parseTrust(text);
const db = openDatabase(url, { max: 2, onError: () => undefined });
try {
  const chains = await verifyLog(db, {
    onProgress: (done) => say({ phase: 'chains', done, of: Math.max(done, records) }),
  });
  const tree = await verifyTree(db, {
    trust,
    onProgress: (done) => say({ phase: 'tree', done, of: Math.max(done, records) }),
  });
  say({ phase: 'anchors', done: 0, of: anchors.length });
  const back = await readGitAnchors(db, anchors, trust);
  const problems = [
    ...chains.writers.flatMap(({ writer, bad }) =>
      bad ? [`${writer}: record ${bad.seq}: ${bad.problem}: ${bad.detail}`] : [],
    ),
    ...chains.erasures,
    ...tree.problems,
    ...back.problems,
  ];
  say({
    phase: 'done',
    records: chains.records,
    erased: chains.erased,
    writers: chains.writers.length,
    laidDown: back.compared,
    problems,
  });
} catch (error) {
  say({ phase: 'failed', why: error instanceof Error ? error.message : String(error) });
} finally {
  await db.close();
}
