// How long it takes from a statement that is held to its card in Slack, which answers in 100 ms:
//   node test/bench/chat.ts [--write]
import { writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { asked } from '../fakes/approval.ts';
import { startSlackKit } from '../fakes/slack-kit.ts';

const HOLDS = 200;
/** As many as a busy team has in a minute; they come by chance, some of them together. */
const MEAN_MS = 300;
const SLACK_MS = 100;
const RESULT = new URL('results/chat.json', import.meta.url);

const kit = await startSlackKit('http');
try {
  await kit.hold();
  kit.slack.slowDown(SLACK_MS);
  const load = loadavg()[0] ?? 0;
  const ms = await measure();
  const sorted = ms.toSorted((a, b) => a - b);
  const result = {
    holds: HOLDS,
    meanMsBetween: MEAN_MS,
    slackMs: SLACK_MS,
    cpus: availableParallelism(),
    load: Number(load.toFixed(1)),
    p50: at(sorted, 0.5),
    p95: at(sorted, 0.95),
    max: at(sorted, 1),
  };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  if (process.argv.includes('--write'))
    await writeFile(RESULT, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  await kit.stop();
}

/** From the request's transaction being begun to Slack having taken its card, in milliseconds. */
async function measure(): Promise<readonly number[]> {
  const posted = new Map<string, number>();
  const watch = watchPosts(posted);
  const began = new Map<string, number>();
  for (let i = 0; i < HOLDS; i += 1) {
    const from = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as they come
    const { id } = await kit.requests.open(asked({ channels: ['db-approvals'] }));
    began.set(id, from);
    // oxlint-disable-next-line no-await-in-loop -- as above
    await sleep(-Math.log(1 - Math.random()) * MEAN_MS);
  }
  while (posted.size < HOLDS + 1) await sleep(50);
  clearInterval(watch);
  return [...began].map(([id, from]) => (posted.get(id) ?? Number.NaN) - from);
}

/** The fake has a message once the 100 ms are over; its metadata says whose card it is. */
function watchPosts(posted: Map<string, number>): NodeJS.Timeout {
  let seen = 0;
  return setInterval(() => {
    for (const message of kit.slack.messages.slice(seen)) {
      const { event_payload: of } = message.metadata as { event_payload: { request: string } };
      posted.set(of.request, performance.now());
      seen += 1;
    }
  }, 1);
}

function at(sorted: readonly number[], part: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
}
