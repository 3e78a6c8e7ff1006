import type { Binding, Entry } from '#src/audit/log.ts';
import type { Subject } from '#src/identity/person.ts';
import type { Policy } from '#src/policy/policy.ts';
import type { Allow, Verdict } from '#src/policy/verdict.ts';
import { resourceId } from '#src/statement/effect.ts';
import type { Look } from '#src/statement/statement.ts';
import type { Asked, SessionFacts } from './asked.ts';
import { sharedEffects, sharedSubject } from './shared.ts';

/** Fields that tie every record of a session to it. */
export const ofSession = (session: SessionFacts) => ({
  session: session.id,
  person: session.person,
  ...(session.agent !== undefined && { agent: session.agent }),
  target: session.target.name,
});

type Recorded = Exclude<Verdict, { kind: 'hold' }>;

/** The record of a statement and its verdict. Only masked text goes in. */
export function statementEntry(from: {
  readonly asked: Asked;
  readonly statement: string;
  readonly verdict: Recorded;
  readonly policy: Policy;
  readonly subject: Subject | undefined;
  readonly binds: Binding;
}): Entry {
  const { asked, verdict, policy, subject } = from;
  return {
    kind: 'statement',
    ...ofSession(asked.session),
    statement: from.statement,
    verdict: verdict.kind,
    binds: from.binds,
    ...statementBody(asked, policy, subject, verdict),
  };
}

/** What is said of a statement in every record about it; keys in the order in which they are written. */
export function statementBody(
  asked: Asked,
  policy: Policy,
  subject: Subject | undefined,
  verdict?: Recorded,
): Pick<Entry, 'body' | 'shared'> {
  const { session, look, context } = asked;
  const { clear, masked } = verdict?.kind === 'allow' ? columnsShown(asked, verdict, policy) : NONE;
  const effects = sharedEffects(look.effects);
  const who = subject && sharedSubject(subject);
  const body = {
    application: session.application,
    class: look.effects.map((effect) => effect.class),
    ...(clear && { clear }),
    client: session.client,
    database: session.database,
    ...(effects && { effects: effects.digest }),
    ...signInOf(verdict),
    inTransaction: context.inTransaction,
    ...(masked && { masked }),
    ...(verdict?.kind === 'deny' && { message: verdict.message }),
    policy: policy.version,
    ...statedIn(context),
    ...(verdict && { rules: verdict.rules }),
    ...(who && { subject: who.digest }),
    text: look.masked,
    words: look.words,
  };
  return { body, shared: [effects, who].filter((each) => each !== undefined) };
}

/** What the person has said about it. */
function statedIn({ purpose, reason }: Asked['context']): { purpose?: string; reason?: string } {
  return { ...(purpose !== undefined && { purpose }), ...(reason !== undefined && { reason }) };
}

/** The fresh sign-in that columns are shown behind. */
function signInOf(verdict: Recorded | undefined): { readonly freshSignIn?: string } {
  const counted = verdict?.fresh?.counted;
  return counted ? { freshSignIn: counted.signIn } : {};
}

type Columns = {
  readonly masked?: { readonly [column: string]: string };
  readonly clear?: readonly string[];
};
const NONE: Columns = {};
/** By verdict: of statements that come again, the rules give the same one. */
const known = new WeakMap<
  Allow,
  { readonly effects: Look['effects']; readonly columns: Columns }
>();

/** Which columns that some rule hides went out masked, and which in the clear. */
function columnsShown(asked: Asked, verdict: Allow, policy: Policy): Columns {
  const { effects } = asked.look;
  const before = known.get(verdict);
  if (before?.effects === effects) return before.columns;
  const masked: Record<string, string> = {};
  const clear = new Set<string>();
  for (const effect of effects)
    for (const output of effect.outputs ?? [])
      for (const column of output.sources) {
        const id = resourceId(column);
        const mask = verdict.masks.get(id);
        if (mask) masked[id] = mask.kind;
        else if (policy.isRuled(asked.session.target, column)) clear.add(id);
      }
  const columns = {
    ...(Object.keys(masked).length > 0 && { masked }),
    ...(clear.size > 0 && { clear: [...clear] }),
  };
  known.set(verdict, { effects, columns });
  return columns;
}
