import type { Rows } from '#src/approval/request.ts';
import type { Subject } from '#src/identity/person.ts';
import type { Context, Policy } from '#src/policy/policy.ts';
import type { Deny, Verdict } from '#src/policy/verdict.ts';
import type { Look, Refused } from '#src/statement/statement.ts';
import type { Asked, GateRefusal } from './asked.ts';

/** What of a statement's surroundings decides the verdict. */
type Around = Pick<Asked, 'unfit'> & {
  readonly context: Omit<Context, 'now'>;
  readonly session: Pick<Asked['session'], 'target'>;
};

/** The rules' answer, behind what the gateway itself refuses. Also asked anew after an approval. */
export function judge(
  policy: Pick<Policy, 'judge'>,
  subject: Subject | undefined,
  asked: Around,
  look: Look,
  now = Date.now(),
): Verdict {
  if (look.refused) return denyBy(look.refused);
  if (!subject) return denyBy(unknownPerson);
  const context: Context = { ...asked.context, now };
  const verdict = policy.judge(subject, asked.session.target, look.effects, context);
  if (verdict.kind === 'deny') return verdict;
  const unfit =
    asked.unfit?.(verdict) ?? (verdict.kind === 'hold' ? inHeldString(look) : undefined);
  if (!unfit) return verdict;
  // What cannot be done under these masks may be possible once they are gone.
  return { ...denyBy(unfit), ...(verdict.fresh && { fresh: verdict.fresh }) };
}

const unknownPerson: Refused = {
  rule: 'countersign/unknown-person',
  message: 'this person is no longer known here',
  hint: 'Ask the operator whether the account was removed.',
};

/** COMMIT inside a held string would let its first half outlive a refusal of the rest. */
function inHeldString(look: Look): Refused | undefined {
  if (look.effects.length < 2 || look.effects.every((e) => e.class !== 'transaction'))
    return undefined;
  return {
    rule: 'countersign/transaction-control',
    message: 'a string that needs approval cannot hold transaction control',
    hint: 'Send BEGIN and COMMIT as statements of their own.',
  };
}

const denyBy = (refused: Refused): Deny => ({
  kind: 'deny',
  rules: [refused.rule],
  message: refused.message,
  ...(refused.hint !== undefined && { hint: refused.hint }),
});

/** `countersign: <message>`, with the rule as detail: the same form wherever a rule says no. */
export function refusalOf(verdict: Deny, refused?: Refused): GateRefusal {
  return {
    code: refused ? 'refused' : 'denied',
    ...(refused?.code !== undefined && { sqlstate: refused.code }),
    message: `countersign: ${verdict.message}`,
    detail: `Refused by rule ${verdict.rules.join(', ')}.`,
    hint: verdict.hint ?? 'Ask the owner of the rule, or change the statement and send it again.',
  };
}

/** The look with the estimate as rules are asked about it. */
export function withRows(look: Look, rows: Rows | undefined): Look {
  const estimatedRows = rows?.estimated;
  if (estimatedRows === undefined) return look;
  return { ...look, effects: look.effects.map((effect) => ({ ...effect, estimatedRows })) };
}
