import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { after, beforeEach, test } from 'node:test';
import { readConfig } from '#src/config/read.ts';
import { example, Folder, problemsOf } from './folder.ts';

const folder = new Folder();
beforeEach(() => folder.fill());
after(() => folder.remove());

const ENV = { SLACK_BOT_TOKEN: 'bot-token', SLACK_APP_TOKEN: 'app-token' };
const STANDARD = { ...ENV, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

test('traces are off unless the file or the standard variable names a collector', async () => {
  copyFileSync(example, folder.file);
  assert.equal((await readConfig(folder.file, ENV)).telemetry, undefined);
  const empty = { ...ENV, OTEL_EXPORTER_OTLP_ENDPOINT: '' };
  assert.equal((await readConfig(folder.file, empty)).telemetry, undefined);
  assert.deepEqual((await readConfig(folder.file, STANDARD)).telemetry, {
    otlp: 'http://collector:4318',
    sample: 0.1,
  });
});

test('the file decides over the environment, and a share is between none and all', async () => {
  await folder.read({ telemetry: { otlp: 'https://traces.internal', sample: 1 } });
  assert.deepEqual((await readConfig(folder.file, STANDARD)).telemetry, {
    otlp: 'https://traces.internal',
    sample: 1,
  });
  const wrong = await problemsOf(folder.read({ telemetry: { otlp: 'traces', sample: 2 } }));
  assert.deepEqual(Object.keys(wrong), ['telemetry.otlp', 'telemetry.sample']);
});
