import { randomUUID } from 'node:crypto';
import type { GateDeps, SessionFacts } from './asked.ts';
import { bind } from './binding.ts';
import { issuePermit, type Permit } from './permit.ts';
import { ofSession } from './record.ts';

/** A statement that no rule could say no to, as it goes into the record. */
export type Told = {
  readonly classes: readonly string[];
  readonly words: readonly string[];
  /** Masked. */
  readonly text: string;
  /** The message as it came. */
  readonly bytes: Buffer;
  readonly inTransaction: boolean;
};

const NOTHING = { masks: new Map() } as const;

/** Whether this person may do everything on this target, as the rules, groups and grants are now. */
export async function isUnrestricted(
  deps: Pick<GateDeps, 'policy' | 'subject'>,
  { person, agent, target }: SessionFacts,
): Promise<boolean> {
  const subject = await deps.subject(person, agent);
  return subject !== undefined && deps.policy().unrestricted(subject, target);
}

/**
 * Records a statement of an unrestricted session, and permits it. `restricted`: the person is not that any more, so
 * nothing was recorded and nothing may run. Rejects when it cannot be recorded.
 */
export async function admitUnrestricted(
  deps: GateDeps,
  session: SessionFacts,
  told: Told,
): Promise<Permit | 'restricted'> {
  const subject = await deps.subject(session.person, session.agent);
  const policy = deps.policy();
  if (!subject || !policy.unrestricted(subject, session.target)) return 'restricted';
  const { inTransaction } = told;
  const { rules } = policy.connect(subject, session.target, { inTransaction, now: Date.now() });
  const statement = randomUUID();
  const digest = bind([session.protocol, session.id, told.bytes]);
  deps.telemetry.metrics.target(session.target.name).verdicts.allow += 1;
  const receipt = await deps.audit.append({
    kind: 'statement',
    ...ofSession(session),
    statement,
    verdict: 'allow',
    binds: { digest, verdict: 'allow' },
    body: {
      application: session.application,
      class: told.classes,
      client: session.client,
      database: session.database,
      inTransaction,
      policy: policy.version,
      rules,
      text: told.text,
      unrestricted: true,
      words: told.words,
    },
  });
  return issuePermit(statement, digest, receipt, NOTHING);
}
