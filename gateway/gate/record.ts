import type { Binding, Entry, JsonObject } from '#src/audit/log.ts';
import type { Policy } from '#src/policy/policy.ts';
import type { Verdict } from '#src/policy/verdict.ts';
import { resourceId } from '#src/statement/effect.ts';
import type { Asked, SessionFacts } from './asked.ts';

/** Fields that tie every record of a session to it. */
export const ofSession = (session: SessionFacts) => ({
  session: session.id,
  person: session.person,
  ...(session.agent !== undefined && { agent: session.agent }),
  target: session.target.name,
});

/** The record of a statement and its verdict. Only masked text goes in. */
export function statementEntry(from: {
  readonly asked: Asked;
  readonly statement: string;
  readonly verdict: Exclude<Verdict, { kind: 'hold' }>;
  readonly policy: Policy;
  readonly binds: Binding;
}): Entry {
  const { asked, verdict, policy } = from;
  return {
    kind: 'statement',
    ...ofSession(asked.session),
    statement: from.statement,
    verdict: verdict.kind,
    binds: from.binds,
    body: {
      ...statementBody(asked, policy),
      rules: verdict.rules,
      ...(verdict.kind === 'deny'
        ? { message: verdict.message }
        : columnsShown(asked, verdict.masks, policy)),
    },
  };
}

/** What is said of a statement in every record about it. */
export function statementBody(asked: Asked, policy: Policy): JsonObject {
  const { session, look, context } = asked;
  return {
    text: look.masked,
    words: look.words,
    class: look.effects.map((effect) => effect.class),
    policy: policy.version,
    database: session.database,
    client: session.client,
    application: session.application,
    inTransaction: context.inTransaction,
    ...(context.reason !== undefined && { reason: context.reason }),
    ...(context.purpose !== undefined && { purpose: context.purpose }),
  };
}

/** Which columns that some rule hides went out masked, and which in the clear. */
export function columnsShown(
  asked: Asked,
  masks: ReadonlyMap<string, { readonly kind: string }>,
  policy: Policy,
): JsonObject {
  const masked: Record<string, string> = {};
  const clear = new Set<string>();
  for (const effect of asked.look.effects)
    for (const output of effect.outputs ?? [])
      for (const column of output.sources) {
        const id = resourceId(column);
        const mask = masks.get(id);
        if (mask) masked[id] = mask.kind;
        else if (policy.isRuled(asked.session.target, column)) clear.add(id);
      }
  return {
    ...(Object.keys(masked).length > 0 && { masked }),
    ...(clear.size > 0 && { clear: [...clear] }),
  };
}
