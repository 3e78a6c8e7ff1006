import type { Readiness } from './api/health.ts';

export type ReadyParts = {
  readonly held: () => boolean;
  /** The store took the last records it was given. */
  readonly records: () => boolean;
  /** Seconds since this gateway has said in the log that it is there, when that is too long. */
  readonly silent: () => number | undefined;
  /** What it has written is signed. */
  readonly signed: () => boolean;
  /** Each rejects when it does not answer. */
  readonly store: () => Promise<unknown>;
  readonly queue: () => Promise<unknown>;
  /** One for each target: rejects when its analyser cannot be asked. */
  readonly targets: readonly (() => Promise<unknown>)[];
  /** What is wrong with chat; undefined when nothing is. */
  readonly chat: () => string | undefined;
  /** Rules on disk that do not load. */
  readonly rulesFail: () => boolean;
};

const PATIENCE_MS = 2_000;

/** Looks at everything at once, for 2 s at most; who asks meanwhile gets the same answer. */
export function readiness(parts: ReadyParts): () => Promise<Readiness> {
  let asking: Promise<Readiness> | undefined;
  return () => {
    asking ??= look(parts).finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

async function look(parts: ReadyParts): Promise<Readiness> {
  const [store, queue, ...targets] = await Promise.all(
    [parts.store, parts.queue, ...parts.targets].map(answers),
  );
  const silent = targets.filter((answered) => !answered).length;
  const chat = parts.chat();
  return {
    missing: [...ownProblems(parts), ...(store ? [] : ['the store does not answer'])],
    warnings: [
      ...(parts.signed()
        ? []
        : ['what this gateway records is not signed with its key; the log says why']),
      ...(queue ? [] : ['the queue does not answer, so chat is told about a second later']),
      ...(silent > 0
        ? [
            `${silent} of ${targets.length} targets cannot be asked; "countersign doctor" says which`,
          ]
        : []),
      ...(chat === undefined ? [] : ['chat does not work; the log says why']),
      ...(parts.rulesFail()
        ? [
            'the rules on disk do not load, so the ones before apply; "countersign policy check" says why',
          ]
        : []),
    ],
  };
}

function ownProblems({ held, records, silent }: ReadyParts): string[] {
  const seconds = silent();
  return [
    ...(held() ? [] : ['this gateway does not hold its lease']),
    ...(records() ? [] : ['the store refuses records; the log says why']),
    ...(seconds === undefined
      ? []
      : [
          `this gateway has recorded no heartbeat for ${seconds} s, so audit verify calls it silent`,
        ]),
  ];
}

async function answers(ask: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, false);
  });
  const asked = ask().then(
    () => true,
    () => false,
  );
  return await Promise.race([asked, late]).finally(() => clearTimeout(timer));
}
