import { z } from 'zod';
import { detect } from '#src/mask/detect.ts';
import type { Rows } from '#src/approval/request.ts';
import type { Analysis, IsRuled, Masked } from '#src/statement/sql/analysis.ts';
import { wholeOf } from '#src/statement/sql/alike.ts';
import type { Cannot, Counting } from '#src/statement/sql/closely.ts';
import type { RowsAsked } from '../gate/asked.ts';
import { admitEstimate, admitOwn } from '../gate/gate.ts';
import type { Permit } from '../gate/permit.ts';
import { Aside, type AsideAnswer } from './aside.ts';
import type { Analyser } from './analyser.ts';
import { bind, execute, parse, query, sync } from './codec.ts';
import type { ConversationParts } from './deps.ts';
import { Run } from './recorder.ts';
import { sessionParameters } from './own.ts';

/** Each of these queries may take so long on the target. */
const STATEMENT_MS = 500;
/** All of it, while a verdict waits for it; and while only the card does. */
const FIRST_MS = 500;
const LATER_MS = 5_000;
/** On one target at once; more are not estimated. */
const MOST = 4;
const KEY_MAX = 100;

/** So that whoever reads the target's log sees whose it was. */
const MARK = '/* countersign estimate */';
const BEGIN = `${MARK} begin transaction read only`;
const HIDDEN = '•••';

/** A statement that is held, as the session sees it. */
export type Subject = {
  readonly analysis: Analysis;
  readonly params: readonly (string | null | undefined)[];
  readonly masked: string;
  /** Every setting that changes meaning, as the target reports them. */
  readonly settings: string;
  /** What ran before it in its transaction is not committed. */
  readonly inTransaction: boolean;
};

/** By the target's name. */
const running = new Map<string, number>();
const underWay = new Set<Promise<Rows>>();

/** Resolves when every estimate that has begun has its outcome, in `LATER_MS` at most. */
export async function estimatesDone(): Promise<void> {
  await Promise.all(underWay);
}

/**
 * How many rows a statement would touch: on a session of its own, in a transaction that only reads, and each query of it
 * a recorded statement. Only where all that it runs is built in; otherwise `why` says what stands against it.
 */
export class Estimates {
  readonly #parts: ConversationParts;
  readonly #analyser: Analyser;
  readonly #isRuled: IsRuled;

  constructor(parts: ConversationParts, analyser: Analyser, isRuled: IsRuled) {
    this.#parts = parts;
    this.#analyser = analyser;
    this.#isRuled = isRuled;
  }

  /** Never rejects. */
  async rows(subject: Subject, asks: RowsAsked): Promise<Rows> {
    const { name } = this.#parts.config;
    const now = running.get(name) ?? 0;
    if (now >= MOST) return unknown('too many are being estimated on this target');
    running.set(name, now + 1);
    const rows = this.#rows(subject, asks).catch(() =>
      unknown('the target did not answer in time'),
    );
    underWay.add(rows);
    try {
      return await rows;
    } finally {
      underWay.delete(rows);
      running.set(name, (running.get(name) ?? 1) - 1);
    }
  }

  async #rows(subject: Subject, asks: RowsAsked): Promise<Rows> {
    const { analysis } = subject;
    const closely = analysis.refused ? undefined : analysis.closely;
    if (!closely) return unknown('it could not be analysed');
    const settings = sessionParameters(subject.settings, this.#parts.config.user);
    if (!settings) return unknown('a setting of its session cannot be read');
    if (subject.params.includes(undefined)) return unknown('a parameter of it cannot be read');
    const tables = await this.#analyser.tables(closely.relations);
    const estimating = closely.estimating(tables);
    if (typeof estimating !== 'string') return unknown(estimating.why);
    const count = wantsCount(asks)
      ? await this.#counting(subject, asks, closely.counting(tables, asks.sample), settings)
      : undefined;
    const ms = asks.request === undefined ? FIRST_MS : LATER_MS;
    const limit = AbortSignal.timeout(ms);
    const { config, facts } = this.#parts;
    const aside = await Aside.open(config, facts.database, startup(settings), limit);
    try {
      return await this.#ask(
        new Asking(this.#parts, aside, subject, asks),
        estimating,
        count,
        asks,
      );
    } finally {
      aside.end();
    }
  }

  async #ask(
    asking: Asking,
    estimating: string,
    count: Checked | Cannot | undefined,
    asks: RowsAsked,
  ): Promise<Rows> {
    await asking.begin();
    const known = asks.known?.estimated;
    const estimated = known ?? planned(await asking.estimate(estimating));
    const rows: Rows = {
      state: 'known',
      ...(estimated !== undefined && { estimated }),
    };
    const found =
      count === undefined || 'why' in count ? count : await this.#count(asking, count, asks);
    if (estimated === undefined && (found === undefined || 'why' in found))
      return unknown(found?.why ?? 'the target did not plan it');
    return { ...rows, ...found };
  }

  async #count(
    asking: Asking,
    { counting, masked }: Checked,
    { sample }: RowsAsked,
  ): Promise<Partial<Rows> | Cannot> {
    const { rows, code } = await asking.run(counting.text, masked.count);
    const counted = Number(rows[0]?.[0]?.toString() ?? NaN);
    if (!Number.isSafeInteger(counted))
      return {
        why: `it could not be counted (${code === '57014' ? 'it took too long' : (code ?? 'no answer')})`,
      };
    if (sample === undefined) return { counted };
    if (!counting.sample || masked.sample === undefined)
      return { counted, why: 'its keys cannot be shown' };
    const keys = await asking.run(counting.sample.text, masked.sample);
    if (keys.code !== undefined) return { counted, why: 'its keys could not be read' };
    const columns = counting.sample.columns.map(({ name }) => name);
    return { counted, sample: { columns, keys: keys.rows.map((row) => row.map(shownKey)) } };
  }

  /** The counting queries are analysed like any other: each must only read, and be about the same rows. */
  async #counting(
    subject: Subject,
    asks: RowsAsked,
    counting: Counting | Cannot,
    settings: ReadonlyMap<string, string>,
  ): Promise<Checked | Cannot> {
    if ('why' in counting) return { why: `not counted: ${counting.why}` };
    if (subject.inTransaction)
      return { why: 'not counted: its open transaction may see rows that nobody else does' };
    // What is shown as exact must hold when it runs.
    const [part] = subject.analysis.parts;
    if (part?.changes === undefined)
      return { why: 'not counted: how many rows it changes could not be limited' };
    const path = settings.get('search_path') ?? '';
    const count = await this.#checked(subject, path, counting.text, counting.rows);
    if (!count) return { why: 'not counted: the count would not be about the same rows' };
    const { sample } = counting;
    const ruled = sample?.columns.some(({ column }) => this.#isRuled(column)) === true;
    const keys =
      sample && !ruled ? await this.#checked(subject, path, sample.text, counting.rows) : undefined;
    return {
      counting,
      masked: { count: count.text, ...(keys && { sample: keys.text }) },
    };
  }

  async #checked(
    { analysis, params }: Subject,
    searchPath: string,
    text: string,
    rows: string | undefined,
  ): Promise<Masked | undefined> {
    const known = await this.#analyser.analyse(
      text,
      { searchPath, user: this.#parts.config.user },
      { prepared: new Map(), cursors: new Map() },
      { parameterTypes: analysis.parameterTypes },
    );
    const found = await wholeOf(known);
    const { closely } = found;
    if (found.refused || closely?.harmless !== true) return undefined;
    if (rows !== undefined && closely.rows() !== rows) return undefined;
    return found.masker(this.#isRuled)(params);
  }
}

type Checked = {
  readonly counting: Counting;
  readonly masked: { readonly count: string; readonly sample?: string };
};

/** The queries of one estimate, each with its record and its outcome. */
class Asking {
  readonly #parts: ConversationParts;
  readonly #aside: Aside;
  readonly #subject: Subject;
  readonly #asks: RowsAsked;

  constructor(parts: ConversationParts, aside: Aside, subject: Subject, asks: RowsAsked) {
    this.#parts = parts;
    this.#aside = aside;
    this.#subject = subject;
    this.#asks = asks;
  }

  /** Throws when the transaction does not begin. */
  async begin(): Promise<void> {
    const { deps, facts } = this.#parts;
    const permit = await admitOwn(deps, facts, BEGIN);
    const { code } = await this.#send(permit, query(BEGIN));
    if (code !== undefined) throw new Error(`no transaction: ${code}`);
  }

  estimate(text: string): Promise<AsideAnswer> {
    const masked = this.#subject.masked.replace(/;?\s*(\n-- \$1 = [\s\S]*)?$/, '$1');
    return this.run(`explain (format json) ${text}`, `explain (format json) ${masked}`);
  }

  async run(text: string, masked: string): Promise<AsideAnswer> {
    const { deps, facts } = this.#parts;
    const { analysis, params } = this.#subject;
    const values = params.map((value) => (typeof value === 'string' ? Buffer.from(value) : null));
    const bytes = Buffer.concat([
      parse('', `${MARK} ${text}`, analysis.parameterTypes),
      bind({ portal: '', statement: '', formats: [], values, resultFormats: [] }),
      execute(''),
      sync(),
    ]);
    const permit = await admitEstimate(deps, facts, {
      exact: bytes,
      masked: `${MARK} ${masked}`,
      request: this.#asks.request,
    });
    return this.#send(permit, bytes);
  }

  #send(permit: Permit, bytes: Buffer): Promise<AsideAnswer> {
    const { deps, facts } = this.#parts;
    return this.#aside.ask(permit, new Run(deps, facts, permit, undefined), bytes);
  }
}

const unknown = (why: string): Rows => ({ state: 'unknown', why });

const wantsCount = ({ count, sample }: RowsAsked): boolean =>
  count === true || sample !== undefined;

function startup(settings: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([
    ...settings,
    ['default_transaction_read_only', 'on'],
    ['statement_timeout', String(STATEMENT_MS)],
    ['lock_timeout', '100'],
    ['application_name', 'countersign estimate'],
  ]);
}

type PlanNode = {
  readonly 'Node Type': string;
  readonly 'Plan Rows': number;
  readonly 'Parent Relationship'?: string | undefined;
  readonly Plans?: readonly PlanNode[] | undefined;
};
const planNode: z.ZodType<PlanNode> = z.object({
  'Node Type': z.string(),
  'Plan Rows': z.number(),
  'Parent Relationship': z.string().optional(),
  get Plans() {
    return z.array(planNode).optional();
  },
});
const plans = z.array(z.object({ Plan: planNode })).length(1);

/** The planner's number of rows. A plan also holds constants of the statement; nothing else of it is kept. */
function planned({ rows, code }: AsideAnswer): number | undefined {
  if (code !== undefined) return undefined;
  try {
    const text = rows.map(([cell]) => cell?.toString() ?? '').join('\n');
    return rowsOf(plans.parse(JSON.parse(text))[0]?.Plan);
  } catch {
    return undefined;
  }
}

/** A node that writes says 0 rows; what it is fed with says how many. */
function rowsOf(node: PlanNode | undefined): number | undefined {
  if (node?.['Node Type'] !== 'ModifyTable') return node?.['Plan Rows'];
  const fed = (node.Plans ?? []).filter((each) =>
    ['Outer', 'Member'].includes(each['Parent Relationship'] ?? ''),
  );
  return fed.reduce((sum, each) => sum + each['Plan Rows'], 0);
}

function shownKey(cell: Buffer | null): string {
  const text = cell?.toString() ?? 'null';
  if (detect(text)) return HIDDEN;
  return text.length > KEY_MAX ? `${text.slice(0, KEY_MAX)}…` : text;
}
