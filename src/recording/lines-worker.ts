import { parentPort } from 'node:worker_threads';
import { linesOf } from './lines.ts';
import type { RecordingEvent } from './port.ts';

parentPort?.on('message', ([id, events]: [number, readonly RecordingEvent[]]) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
  parentPort?.postMessage([id, linesOf(events)]);
});
