import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { ERROR_KINDS, Metrics } from '#src/telemetry/metrics.ts';

const root = new URL('../../', import.meta.url);

test('the docs name every metric and kind of error, and no others', async () => {
  const text = await readFile(new URL('docs/operations.md', root), 'utf8');
  const exposed = await new Metrics(['shop']).expose();
  const names = [...exposed.matchAll(/^# TYPE (countersign_\w+)/gm)].map(([, name]) => name);
  const told = [...text.matchAll(/^\| `(countersign_\w+)`/gm)].map(([, name]) => name);
  assert.deepEqual(new Set(told), new Set(names));
  for (const kind of Object.keys(ERROR_KINDS))
    assert.match(text, new RegExp(`\`${kind}\`: `), kind);
});

test('a target that the configuration gets later has its own series, a made-up one has none', async () => {
  const targets = ['shop'];
  const metrics = new Metrics(targets);
  metrics.watch({
    targets: () => targets,
    outboxPending: () => Promise.resolve(undefined),
    policyVersion: () => 'v1',
    policyLoadFailures: () => 2,
  });
  targets.push('later');
  metrics.target('later').verdicts.deny += 3;
  metrics.target('made-up').verdicts.deny += 1;
  metrics.decided('made-up', 'denied', 1);
  const text = await metrics.expose();
  assert.match(text, /countersign_statements_total\{target="later",verdict="deny"\} 3\n/);
  assert.match(text, /countersign_policy_info\{version="v1"\} 1\n/);
  assert.match(text, /countersign_policy_load_failures_total 2\n/);
  assert.match(text, /countersign_outbox_pending Nan\n/i);
  assert.doesNotMatch(text, /made-up/);
});
