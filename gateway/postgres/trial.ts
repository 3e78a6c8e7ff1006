import type { TargetConfig } from '#src/config/config.ts';
import type { Subject } from '#src/identity/person.ts';
import type { CedarPolicy } from '#src/policy/evaluate.ts';
import type { QuestionNote } from '#src/policy/explain.ts';
import type { Context } from '#src/policy/policy.ts';
import type { Verdict } from '#src/policy/verdict.ts';
import type { Effect } from '#src/statement/effect.ts';
import type { NamedThings } from '#src/statement/sql/analysis.ts';
import { judge } from '../gate/judge.ts';
import { openAnalyser, type Analyser } from './analyser.ts';
import { searchPathOf } from './analyser/path.ts';
import { roleOf } from './personal.ts';
import { unfit } from './plan.ts';

/** A statement that was judged and not run. */
export type Tried = {
  readonly verdict: Verdict;
  /** Empty when the gateway itself refuses it. */
  readonly questions: readonly QuestionNote[];
  readonly effects: readonly Effect[];
  /** What each part would do, for people; what rules hide is masked. */
  readonly words: readonly string[];
  readonly refused: boolean;
};

export type Trial = {
  readonly policy: CedarPolicy;
  readonly subject: Subject;
  readonly text: string;
  readonly context: Context;
  /** Rows that it is taken to touch; nothing is estimated here. */
  readonly rows?: number | undefined;
};

const NOTHING_NAMED: NamedThings = { prepared: new Map(), cursors: new Map() };

/** Judges statements for one target as the gateway would in a new session. The target only ever parses them. */
export class Trials implements AsyncDisposable {
  readonly #target: TargetConfig;
  readonly #database: string;
  readonly #analyser: Analyser;
  readonly #given: string | undefined;
  /** By role: each may have one of its own. */
  readonly #paths = new Map<string, string>();
  #failure: Error | undefined;

  /** `database` instead of the target's default one, and `searchPath` instead of the one that a new session has. */
  constructor(target: TargetConfig, { database = target.database, searchPath }: Place = {}) {
    this.#target = target;
    this.#database = database;
    this.#given = searchPath;
    this.#analyser = openAnalyser(target, database, {
      onError: (error) => (this.#failure = error),
    });
  }

  async #pathOf(role: string): Promise<string> {
    const known = this.#given ?? this.#paths.get(role);
    if (known !== undefined) return known;
    const path = await searchPathOf(this.#target, this.#database, role);
    this.#paths.set(role, path);
    return path;
  }

  /** Rejects when the target cannot be asked. */
  async try({ policy, subject, text, context, rows }: Trial): Promise<Tried> {
    if (policy.unrestricted(subject, this.#target)) return this.#free(policy, subject, context);
    const user = roleOf(this.#target, subject.person.email) ?? this.#target.user;
    const settings = { searchPath: await this.#pathOf(user), user };
    const analysis = await this.#analyser.analyse(text, settings, NOTHING_NAMED, {});
    if (analysis.refused?.rule === 'countersign/analyser' && this.#failure) throw this.#failure;
    const effects = analysis.parts.map(({ effect }) =>
      rows === undefined ? effect : { ...effect, estimatedRows: rows },
    );
    const {
      words,
      text: masked,
      hidesWrite,
    } = analysis.masker((column) => policy.isRuled(this.#target, column))();
    const asked = {
      session: { target: this.#target },
      context,
      unfit: (obligations: Parameters<typeof unfit>[1]) => unfit(analysis.parts, obligations),
    };
    const explained = analysis.refused
      ? undefined
      : policy.explain(subject, this.#target, effects, context);
    const rules = { judge: () => explained?.verdict ?? NEVER };
    const look = {
      effects,
      words,
      masked,
      hidesWrite,
      digest: Buffer.alloc(0),
      ...(analysis.refused && { refused: analysis.refused }),
    };
    return {
      verdict: judge(rules, subject, asked, look, context.now),
      questions: explained?.questions ?? [],
      effects,
      words,
      refused: analysis.refused !== undefined,
    };
  }

  /** Under an allow-all rule nothing but the connection is judged. */
  #free(policy: CedarPolicy, subject: Subject, context: Context): Tried {
    const verdict = policy.connect(subject, this.#target, context);
    const { questions } = policy.explain(subject, this.#target, [], context);
    const words = [
      'anything: an allow-all rule applies, so statements are recorded and not judged',
    ];
    return { verdict, questions, effects: [], words, refused: false };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#analyser.close();
  }
}

type Place = { readonly database?: string | undefined; readonly searchPath?: string | undefined };

/** What is refused before any rule is asked never gets here. */
const NEVER: Verdict = { kind: 'deny', rules: ['countersign/not-judged'], message: 'not judged' };
