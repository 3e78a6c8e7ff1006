import { globSync } from 'node:fs';
import { Readable } from 'node:stream';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installTools } from './tools.ts';
import { summed } from './summed.ts';

/** One process for all of these: starting one a file would take most of the time. */
const TOGETHER = ['unit'];
/** These start servers, kill processes and drive browsers: a process each, two at a time. */
const APART = ['conformance', 'bypass', 'wire', 'faults', 'e2e'];

/** How long one test may take. A hang must not look like patience. */
const TIMEOUT_MS = 5 * 60_000;

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { values, positionals } = parseArgs({
  options: {
    name: { type: 'string', multiple: true, short: 't' },
    help: { type: 'boolean', short: 'h' },
  },
  allowPositionals: true,
});
if (values.help) {
  console.log(`Usage: npm test -- [part of a path …] [-t PATTERN]

Runs the files below test/ whose path has one of the parts, and of them the tests whose name matches a pattern.
Without arguments: everything.`);
} else {
  await main();
}

async function main(): Promise<void> {
  const together = find(TOGETHER);
  const apart = find(APART);
  if (together.length + apart.length === 0) {
    console.error(`no test file below test/ has ${positionals.join(' or ')} in its path`);
    process.exitCode = 2;
    return;
  }
  installTools(apart);
  const common = {
    timeout: TIMEOUT_MS,
    ...(values.name && { testNamePatterns: values.name.map((name) => new RegExp(name)) }),
  };
  const runs = [
    () => run({ ...common, files: together, isolation: 'none' }),
    // A test that leaves something open must not hold up all the others.
    () =>
      run({
        ...common,
        files: apart,
        isolation: 'process',
        concurrency: 2,
        execArgv: ['--test-force-exit'],
      }),
  ].filter((_, i) => (i === 0 ? together : apart).length > 0);
  const results = summed(runs);
  for await (const text of Readable.from(results.events).compose(spec()))
    process.stdout.write(String(text));
  if (!results.passed()) process.exitCode = 1;
  // What a test left open must not keep the result from whoever waits for it; naming it gets it closed.
  setTimeout(() => {
    console.error(`still open after the tests: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit();
  }, 3_000).unref();
}

function find(folders: readonly string[]): string[] {
  return folders
    .flatMap((folder) => globSync(`test/${folder}/**/*.test.ts`))
    .filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)))
    .toSorted();
}
