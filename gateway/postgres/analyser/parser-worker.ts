import { parentPort } from 'node:worker_threads';
import { parse } from '#src/statement/sql/parse.ts';

parentPort?.on('message', (text: string) => {
  // An error ends the worker: after it, the parser's memory cannot be trusted.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
  parentPort?.postMessage(parse(text));
});
