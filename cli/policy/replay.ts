import { z } from 'zod';
import type { RecordedStatement } from '#src/audit/statements.ts';
import type { Subject } from '#src/identity/person.ts';
import { TwoGenerations } from '#src/policy/cache.ts';
import type { Context, Policy, TargetFacts } from '#src/policy/policy.ts';
import { ownRules } from '#src/policy/tally.ts';
import type { Verdict } from '#src/policy/verdict.ts';
import { type Effect, resourceId } from '#src/statement/effect.ts';
import { readEffects } from '#src/statement/recorded.ts';

/** What came of judging one record again. */
export type Replayed =
  | { readonly kind: 'same' }
  /** Not judged: the gateway's own, refused by the gateway whatever the rules say, or without what is needed. */
  | { readonly kind: 'own' | 'refused' | 'unknown' }
  | { readonly kind: 'changed'; readonly change: Change };

export type Change = {
  /** `allow → deny`, `masks`, `terms`. */
  readonly what: string;
  readonly record: string;
  /** ISO 8601. */
  readonly at: string;
  readonly person: string;
  readonly agent?: string;
  readonly target: string;
  /** Masked, as it stands in the record. */
  readonly text: string;
  readonly before: { readonly verdict: string; readonly rules: readonly string[] };
  readonly after: {
    readonly verdict: string;
    readonly rules: readonly string[];
    readonly message?: string;
  };
  /** Columns whose masks differ: `public.customers.card: shown → last`. */
  readonly masks?: readonly string[];
};

/** Gives the person as they are now; undefined keeps the groups that the record has. */
export type Now = (person: string, agent: string | undefined) => Subject | undefined;

/** Judges a record by other rules. */
export class Replay {
  readonly #policy: Policy;
  readonly #targets: ReadonlyMap<string, TargetFacts>;
  readonly #now: Now | undefined;
  /** Statements that come again have the same text of effects. */
  readonly #effects = new TwoGenerations<string, readonly Effect[]>(20_000);

  constructor(policy: Policy, targets: ReadonlyMap<string, TargetFacts>, now: Now | undefined) {
    this.#policy = policy;
    this.#targets = targets;
    this.#now = now;
  }

  judge(record: RecordedStatement): Replayed {
    const { body } = record;
    if (body.rules.includes('countersign/own')) return { kind: 'own' };
    if (record.verdict === 'deny' && body.rules.some(isStatic)) return { kind: 'refused' };
    const target = this.#targets.get(record.target ?? '');
    const effects = this.#effectsOf(record);
    const subject = this.#subjectOf(record);
    if (!target || !effects || !subject) return { kind: 'unknown' };
    const verdict = this.#policy.judge(subject, target, effects, contextOf(record));
    return compare(record, effects, verdict);
  }

  #effectsOf({ effects }: RecordedStatement): readonly Effect[] | undefined {
    if (effects === undefined) return undefined;
    let known = this.#effects.get(effects);
    if (!known) this.#effects.set(effects, (known = readEffects(effects)));
    return known;
  }

  #subjectOf({ person, agent, subject }: RecordedStatement): Subject | undefined {
    if (person === undefined) return undefined;
    if (this.#now) return this.#now(person, agent);
    if (subject === undefined) return undefined;
    const { groups, roles, agent: agentGroups = [] } = recordedSubject.parse(JSON.parse(subject));
    return {
      person: { email: person, name: person, groups },
      roles,
      ...(agent !== undefined && { agent: { id: agent, groups: agentGroups } }),
    };
  }
}

const recordedSubject = z.object({
  groups: z.array(z.string()),
  roles: z.array(z.string()),
  agent: z.array(z.string()).optional(),
});

/** The product's own rules that follow from the rules of the policy. */
const judged: ReadonlySet<string> = new Set(Object.values(ownRules));
const isStatic = (rule: string): boolean => rule.startsWith('countersign/') && !judged.has(rule);

function contextOf({ at, body }: RecordedStatement): Context {
  const { reason, purpose, inTransaction, freshSignIn } = body;
  return {
    now: at,
    inTransaction,
    ...(reason !== undefined && { reason }),
    ...(purpose !== undefined && { purpose }),
    ...(freshSignIn !== undefined && { signIn: { id: freshSignIn, authTime: at } }),
  };
}

/** Kind of mask by column of the results. */
function masksOn(
  effects: readonly Effect[],
  masks: ReadonlyMap<string, { readonly kind: string }>,
): Map<string, string> {
  const found = new Map<string, string>();
  for (const { outputs = [] } of effects)
    for (const { sources } of outputs)
      for (const source of sources) {
        const id = resourceId(source);
        const mask = masks.get(id);
        if (mask) found.set(id, mask.kind);
      }
  return found;
}

function compare(
  record: RecordedStatement,
  effects: readonly Effect[],
  verdict: Verdict,
): Replayed {
  const { body } = record;
  // What ran on an approval of before was held at first.
  const before = record.verdict === 'approved' ? 'hold' : (record.verdict ?? 'deny');
  const masks = verdict.kind === 'allow' ? maskChanges(record, effects, verdict) : [];
  const what =
    before === verdict.kind ? differs(record, verdict, masks) : `${before} → ${verdict.kind}`;
  if (what === undefined) return { kind: 'same' };
  const change: Change = {
    what,
    record: record.id,
    at: new Date(record.at).toISOString(),
    person: record.person ?? '',
    ...(record.agent !== undefined && { agent: record.agent }),
    target: record.target ?? '',
    text: body.text,
    before: { verdict: before, rules: body.rules },
    after: {
      verdict: verdict.kind,
      rules: verdict.rules,
      ...(verdict.kind !== 'allow' && { message: verdict.message }),
    },
    ...(masks.length > 0 && { masks }),
  };
  return { kind: 'changed', change };
}

/** How two verdicts of one kind differ for whoever gets them; rules that merely have other names are no difference. */
function differs(
  { body, verdict: before }: RecordedStatement,
  verdict: Verdict,
  masks: readonly string[],
): string | undefined {
  if (verdict.kind === 'allow') return masks.length > 0 ? 'masks' : undefined;
  if (verdict.kind === 'deny' || before === 'approved') return undefined;
  const asked = termsOf(body.requirement);
  return asked === undefined || asked === termsOf(verdict.requirement) ? undefined : 'terms';
}

const requirement = z.object({
  groups: z.array(z.object({ group: z.string(), quorum: z.number() })),
  reasonRequired: z.boolean(),
  stepUpMs: z.number().optional(),
});

/** Who has to agree and how; an open transaction shortens the time, so that is not compared. */
function termsOf(value: unknown): string | undefined {
  const known = requirement.safeParse(value);
  return known.success ? JSON.stringify(known.data) : undefined;
}

function maskChanges(
  { body, verdict: before }: RecordedStatement,
  effects: readonly Effect[],
  verdict: Extract<Verdict, { kind: 'allow' }>,
): string[] {
  if (before !== 'allow') return [];
  const now = masksOn(effects, verdict.masks);
  const columns = new Set([...Object.keys(body.masked), ...now.keys()]);
  return [...columns].toSorted().flatMap((column) => {
    const [was = 'shown', is = 'shown'] = [body.masked[column], now.get(column)];
    return was === is ? [] : `${column.split('/').slice(1).join('.')}: ${was} → ${is}`;
  });
}
