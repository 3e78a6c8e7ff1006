import { relative } from 'node:path';
import { integer, parse } from './command.ts';
import { DATA_FOLDER, PORT_COUNT, portsFrom } from './demo/plan.ts';
import { startDemo } from './demo/start.ts';
import { tour } from './demo/tour.ts';
import { EXIT, Failure } from './failure.ts';
import { explain, StartError } from '#src/store/start-error.ts';

const OPTIONS = {
  fresh: { type: 'boolean', about: 'begin anew: forget the data of earlier runs' },
  'port-base': { type: 'string', value: 'N', about: 'use the ports from N on' },
} as const;

/** Runs the demo until a signal (or the launcher's end) stops it. Resolves with the exit code; rejects with `Failure`. */
export async function demo(argv: readonly string[]): Promise<number> {
  const { values } = parse(argv, OPTIONS);
  const base = values['port-base'];
  const ports = portsFrom(
    base === undefined ? undefined : integer(base, 'port-base', 1, 65536 - PORT_COUNT),
  );
  const begun = performance.now();
  const say = (text: string) =>
    void process.stdout.write(
      `${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${text}\n`,
    );
  const end = new AbortController();
  const unlisten = onEnd(() => end.abort());
  try {
    say('loading');
    const [{ readConfig }, { serve }] = await Promise.all([
      import('#src/config/read.ts'),
      import('#gateway/main.ts'),
    ]);
    const running = await startDemo({
      folder: DATA_FOLDER,
      ports,
      fresh: values.fresh ?? false,
      readConfig,
      serve,
      say,
      signal: end.signal,
    });
    say('ready');
    process.stdout.write(`\n${tour(running.facts, fromHere(running.places.facts))}\n\n`);
    await aborted(end.signal);
    say('stopping: what is held is withdrawn');
    await running.stop();
    say('stopped; the data is kept for the next start');
    return EXIT.done;
  } catch (error) {
    if (end.signal.aborted && error === end.signal.reason) return EXIT.done;
    throw failure(error);
  } finally {
    unlisten();
  }
}

/** Repeated signals change nothing: npm, the launcher and the terminal may each send one. */
function onEnd(end: () => void): () => void {
  const events = ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'] as const;
  for (const event of events) process.on(event, end);
  return () => {
    for (const event of events) process.off(event, end);
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
}

function failure(error: unknown): unknown {
  const cause = isTaken(error) ? portTaken(error) : error;
  if (cause instanceof StartError) return new Failure(cause.message, { hint: cause.hint, cause });
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC')
    return failure(explain(error, 'start the demo'));
  return error;
}

function isTaken(error: unknown): error is Error & { port?: unknown } {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function portTaken(error: Error & { port?: unknown }): StartError {
  return new StartError(
    `Cannot start the gateway: port ${String(error.port)} on 127.0.0.1 is taken.`,
    'Stop what listens there, or move all ports with --port-base N.',
    { cause: error },
  );
}

function fromHere(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}
