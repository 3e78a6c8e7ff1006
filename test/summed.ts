import type { run } from 'node:test';

type Runs = readonly (() => ReturnType<typeof run>)[];
type Event = { readonly type: string; readonly data: unknown };

const COUNTS = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo', 'duration_ms'];

/** Several runs one after the other as one stream of events, with one summary at its end: the sum of theirs. */
export function summed(runs: Runs): { events: AsyncGenerator<Event>; passed(): boolean } {
  const sums = new Map(COUNTS.map((name) => [name, 0]));
  return { events: events(runs, sums), passed: () => failures(sums) === 0 };
}

async function* events(runs: Runs, sums: Map<string, number>): AsyncGenerator<Event> {
  for (const start of runs)
    for await (const event of start() as AsyncIterable<Event>) {
      const count = event.type === 'test:diagnostic' ? readCount(event.data) : undefined;
      if (count === undefined) yield event;
      else sums.set(count.name, (sums.get(count.name) ?? 0) + count.value);
    }
  for (const [name, value] of sums)
    yield {
      type: 'test:diagnostic',
      data: { nesting: 0, message: `${name} ${value}`, level: 'info' },
    };
}

/** The summary of a run is told as diagnostics: "tests 12". */
function readCount(data: unknown): { name: string; value: number } | undefined {
  const { nesting, message } = data as { nesting?: number; message?: string };
  const [, name = '', value = ''] = /^(\w+) ([\d.]+)$/.exec(message ?? '') ?? [];
  return nesting === 0 && COUNTS.includes(name) ? { name, value: Number(value) } : undefined;
}

function failures(sums: Map<string, number>): number {
  return (sums.get('fail') ?? 0) + (sums.get('cancelled') ?? 0) + (sums.get('tests') === 0 ? 1 : 0);
}
