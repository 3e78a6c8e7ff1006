import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { kindNames, maskedValues } from '../mask/detect.ts';
import type { Sources } from './sources.ts';

/** What went wrong, for the label `kind`. */
export const ERROR_KINDS = {
  gate: 'could not be judged or recorded, so it was refused',
  connect: 'the target could not be reached for a session',
  statement: 'the target answered a statement with an error',
  unknown: 'whether a statement took effect is not known',
  internal: 'a part of the gateway failed',
} as const;
export type ErrorKind = keyof typeof ERROR_KINDS;
const VERDICTS = ['allow', 'hold', 'deny'] as const;

/** Plain numbers that the data path adds to; they are read when somebody scrapes. */
export type TargetTally = {
  readonly verdicts: Record<(typeof VERDICTS)[number], number>;
  readonly errors: Record<ErrorKind, number>;
  maskedCells: number;
  sessionsOpen: number;
  holdsOpen: number;
};

const DECISION_BUCKETS = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600];
const APPEND_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3];
const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
/** Series for work that belongs to no target of the configuration, so that no client can make new ones. */
const NO_TARGET = '';

/**
 * The gateway's own numbers, and those of its process, in Prometheus' text format. Labels come from the configuration
 * and from fixed lists only: never a statement, a value or a name that a client chose.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #targets: Map<string, TargetTally>;
  readonly #none = newTally();
  #sources: Sources | undefined;
  readonly #decisions = new Histogram({
    name: 'countersign_decision_seconds',
    help: 'How long a held statement waited, by how its wait ended.',
    labelNames: ['target', 'decision'],
    buckets: DECISION_BUCKETS,
    registers: [this.#registry],
  });
  readonly #appends = new Histogram({
    name: 'countersign_append_seconds',
    help: 'Time until a record was durable.',
    buckets: APPEND_BUCKETS,
    registers: [this.#registry],
  });
  readonly #batches = new Histogram({
    name: 'countersign_append_batch_size',
    help: 'Records written in one transaction.',
    buckets: BATCH_BUCKETS,
    registers: [this.#registry],
  });

  constructor(targets: Iterable<string>) {
    this.#targets = new Map([...targets].map((name) => [name, newTally()]));
    this.#perTarget();
    this.#fromSources();
    detected([this.#registry]);
  }

  /** The numbers of one target; whoever works on it for long keeps this object. */
  target(name: string): TargetTally {
    return this.#targets.get(name) ?? this.#added(name) ?? this.#none;
  }

  /** One that the configuration has got since the start. */
  #added(name: string): TargetTally | undefined {
    if (![...(this.#sources?.targets() ?? [])].includes(name)) return undefined;
    const tally = newTally();
    this.#targets.set(name, tally);
    return tally;
  }

  sessionsOpen(): number {
    let open = 0;
    for (const { sessionsOpen } of this.#targets.values()) open += sessionsOpen;
    return open;
  }

  /** A failure that belongs to no target. */
  failed(): void {
    this.#none.errors.internal += 1;
  }

  decided(target: string, decision: string, seconds: number): void {
    const known = this.#targets.has(target) ? target : NO_TARGET;
    this.#decisions.observe({ target: known, decision }, seconds);
  }

  /** One transaction of the log: how many records it wrote, and how long each of those that were waited for took. */
  appended(records: number, waited: readonly number[]): void {
    this.#batches.observe(records);
    for (const seconds of waited) this.#appends.observe(seconds);
  }

  watch(sources: Sources): void {
    this.#sources = sources;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async expose(): Promise<string> {
    return `${await this.#registry.metrics()}\n${await processMetrics().metrics()}`;
  }

  #perTarget(): void {
    const all = (): readonly (readonly [string, TargetTally])[] => [
      ...this.#targets,
      [NO_TARGET, this.#none],
    ];
    const registers = [this.#registry];
    const gauge = (name: string, help: string, read: (tally: TargetTally) => number) =>
      new Gauge({
        name,
        help,
        labelNames: ['target'],
        registers,
        collect() {
          for (const [target, tally] of all())
            if (target !== NO_TARGET) this.set({ target }, read(tally));
        },
      });
    gauge('countersign_holds_open', 'Statements that wait for a decision.', (t) => t.holdsOpen);
    gauge('countersign_sessions_open', 'Client connections.', (t) => t.sessionsOpen);
    counter('countersign_statements_total', 'Statements, by what the rules said.', 'verdict', {
      registers,
      all,
      read: (tally) => tally.verdicts,
    });
    counter('countersign_errors_total', 'Failures, by kind.', 'kind', {
      registers,
      all,
      read: (tally) => tally.errors,
    });
    counter('countersign_masked_cells_total', 'Cells of results that went out masked.', undefined, {
      registers,
      all,
      read: (tally) => ({ '': tally.maskedCells }),
    });
  }

  #fromSources(): void {
    const registers = [this.#registry];
    const sources = (): Sources | undefined => this.#sources;
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Gauge({
      name: 'countersign_outbox_pending',
      help: 'Cards that chat does not show yet.',
      registers,
      async collect() {
        this.set((await sources()?.outboxPending()) ?? Number.NaN);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Counter({
      name: 'countersign_retention_removed_total',
      help: 'What the rules of retention have removed: months, records and recordings; and runs that failed.',
      labelNames: ['what'],
      registers,
      collect() {
        this.reset();
        for (const [what, count] of Object.entries(sources()?.removed?.() ?? {}))
          this.inc({ what }, count);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Gauge({
      name: 'countersign_export_lag_records',
      help: 'Records that a place they are sent to has still to get.',
      labelNames: ['sink'],
      registers,
      async collect() {
        const lags = (await sources()?.exports?.()) ?? [];
        this.reset();
        for (const { sink, records } of lags) this.set({ sink }, records);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Gauge({
      name: 'countersign_anchor_age_seconds',
      help: 'Time since a checkpoint was laid down in each place outside the store; 0 while there is no newer one.',
      labelNames: ['anchor'],
      registers,
      async collect() {
        const anchors = (await sources()?.anchors?.()) ?? [];
        this.reset();
        for (const { place, age } of anchors) this.set({ anchor: place }, age);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Gauge({
      name: 'countersign_search_lag_records',
      help: 'Records of the tree that searching does not find yet.',
      registers,
      async collect() {
        this.set((await sources()?.searchLag?.()) ?? Number.NaN);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Gauge({
      name: 'countersign_tree_records',
      help: 'Records in the tree, and those of them that a checkpoint covers.',
      labelNames: ['state'],
      registers,
      async collect() {
        const tree = await sources()?.tree?.();
        this.reset();
        if (!tree) return;
        this.set({ state: 'sequenced' }, tree.size);
        this.set({ state: 'signed' }, tree.signed);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Gauge({
      name: 'countersign_log_writer_silent_seconds',
      help: 'Time since the newest record of each writer of the log that has not said that it stops.',
      labelNames: ['writer'],
      registers,
      async collect() {
        const writers = (await sources()?.writers?.()) ?? [];
        this.reset();
        for (const { writer, seconds } of writers) this.set({ writer }, seconds);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Gauge({
      name: 'countersign_log_writer_flagged',
      help: 'Writers of the log whose chain or signatures are not as they should be; audit verify says why.',
      labelNames: ['writer'],
      registers,
      async collect() {
        const flagged = (await sources()?.flagged?.()) ?? [];
        this.reset();
        for (const { writer } of flagged) this.set({ writer }, 1);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Gauge({
      name: 'countersign_policy_info',
      help: 'Version of the rules that apply.',
      labelNames: ['version'],
      registers,
      collect() {
        this.reset();
        const version = sources()?.policyVersion();
        if (version !== undefined) this.set({ version }, 1);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Counter({
      name: 'countersign_policy_load_failures_total',
      help: 'Changed rules on disk that did not load; those that applied still do.',
      registers,
      collect() {
        this.reset();
        this.inc(sources()?.policyLoadFailures() ?? 0);
      },
    });
    // oxlint-disable-next-line eslint/no-new -- registers itself
    new Gauge({
      name: 'countersign_policy_names_missing',
      help: 'Names in the rules that apply which their target does not have: dropped or renamed since.',
      registers,
      collect() {
        this.set(sources()?.policyNamesMissing?.() ?? 0);
      },
    });
  }
}

type Counted = {
  readonly registers: Registry[];
  readonly all: () => readonly (readonly [string, TargetTally])[];
  readonly read: (tally: TargetTally) => Readonly<Record<string, number>>;
};

/** A counter whose numbers are kept elsewhere; series of no target appear once they count something. */
function counter(name: string, help: string, label: string | undefined, counted: Counted): void {
  // oxlint-disable-next-line eslint/no-new -- registers itself
  new Counter<string>({
    name,
    help,
    labelNames: label === undefined ? ['target'] : ['target', label],
    registers: counted.registers,
    collect() {
      this.reset();
      for (const [target, tally] of counted.all())
        for (const [value, count] of Object.entries(counted.read(tally)))
          if (target !== NO_TARGET || count > 0)
            this.inc(label === undefined ? { target } : { target, [label]: value }, count);
    },
  });
}

/** Counted in the process as a whole: detectors know kinds and no targets. */
function detected(registers: Registry[]): void {
  // oxlint-disable-next-line eslint/no-new -- registers itself
  new Counter({
    name: 'countersign_masked_values_total',
    help: 'Values that detectors replaced in cells of results, by kind.',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      for (const kind of kindNames) this.inc({ kind }, maskedValues.get(kind) ?? 0);
    },
  });
}

function newTally(): TargetTally {
  return {
    verdicts: { allow: 0, hold: 0, deny: 0 },
    errors: { gate: 0, connect: 0, statement: 0, unknown: 0, internal: 0 },
    maskedCells: 0,
    sessionsOpen: 0,
    holdsOpen: 0,
  };
}

let ofProcess: Registry | undefined;

/** Memory, CPU, event loop, garbage collection: of the process, however many gateways a test runs in it. */
function processMetrics(): Registry {
  if (ofProcess) return ofProcess;
  ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess, eventLoopMonitoringPrecision: 50 });
  return ofProcess;
}
