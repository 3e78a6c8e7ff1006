import type { FreshSignIn } from '#src/policy/fresh.ts';
import type { Subject } from '#src/identity/person.ts';
import type { Policy } from '#src/policy/policy.ts';
import type { Freshness, Verdict } from '#src/policy/verdict.ts';
import type { Look } from '#src/statement/statement.ts';
import type { Asked, GateDeps, GateRefusal, SessionFacts } from './asked.ts';
import { judge } from './judge.ts';

/** A sign-in is asked for at most this often for one session. */
const LOOK_MS = 1_000;

type Question = {
  readonly policy: Policy;
  readonly subject: Subject | undefined;
  readonly asked: Asked;
  readonly look: Look;
};

/**
 * The verdict, with what the person's sign-in for this session adds to it. `first` was given without one; only where it
 * says that a rule asks for one is the store asked.
 */
export async function behindSignIn(
  deps: Pick<GateDeps, 'signIn'>,
  { policy, subject, asked, look }: Question,
  first: Verdict,
): Promise<Verdict> {
  if (!wantingOf(asked.session, first)) return first;
  const signIn = await deps.signIn(asked.session);
  if (!signIn) return first;
  const { session, context, unfit } = asked;
  const around = { session, context: { ...context, signIn }, ...(unfit && { unfit }) };
  return judge(policy, subject, around, look);
}

type Wanting = NonNullable<Freshness['wanting']>;

/** What is hidden for want of a fresh sign-in; an agent's session cannot have one. */
function wantingOf(session: SessionFacts, verdict: Verdict): Wanting | undefined {
  return session.agent === undefined ? verdict.fresh?.wanting : undefined;
}

/** Tells the client which columns a fresh sign-in would show, and where to make it. */
export function tellHidden({ publicUrl }: GateDeps, asked: Asked, verdict: Verdict): void {
  const wanting = wantingOf(asked.session, verdict);
  if (!wanting || !asked.onHidden) return;
  asked.onHidden({
    message: `countersign: hidden until you sign in for this session: ${listed(wanting.columns)}`,
    detail: wanting.rules.map(said).join(' '),
    hint: `Sign in at ${linkOf(publicUrl, asked.session, wanting)} and send the statement again.`,
  });
}

/** The same for a statement that is refused because of what is hidden. */
export function withSignIn(
  { publicUrl }: GateDeps,
  { session }: Asked,
  verdict: Verdict,
  refusal: GateRefusal,
): GateRefusal {
  const wanting = wantingOf(session, verdict);
  if (!wanting) return refusal;
  const link = `${listed(wanting.columns)}: shown once you sign in for this session at ${linkOf(publicUrl, session, wanting)}`;
  return { ...refusal, hint: refusal.hint === undefined ? link : `${refusal.hint}; ${link}` };
}

const MOST = 8;
function listed(columns: readonly string[]): string {
  const more = columns.length - MOST;
  return more > 0 ? `${columns.slice(0, MOST).join(', ')} and ${more} more` : columns.join(', ');
}

function said({ id, ageMs, acr, amr }: Wanting['rules'][number]): string {
  const ways = [
    ...(acr === undefined ? [] : [`acr ${acr}`]),
    ...(amr ?? []).map((each) => `amr ${each}`),
  ];
  const how = ways.length === 0 ? '' : ` with ${ways.join(' and ')}`;
  return `Rule ${id} shows them for ${lasting(ageMs)} after a sign-in${how}.`;
}

function lasting(ms: number): string {
  if (ms < 60_000) return `${Math.ceil(ms / 1_000)} s`;
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 360_000) / 10} h`;
}

/** The page asks the provider for the acr that the rules name. */
function linkOf(publicUrl: string, { id }: SessionFacts, { rules }: Wanting): string {
  const acr = [...new Set(rules.flatMap((rule) => rule.acr ?? []))].join(' ');
  const query = acr === '' ? '' : `?acr=${encodeURIComponent(acr)}`;
  return `${publicUrl}/sessions/${id}/sign-in${query}`;
}

/** Sessions' sign-ins as of the last second; the same object as long as it is the same sign-in. */
export function signInsOfSessions(store: {
  current(session: string, person: string): Promise<FreshSignIn | undefined>;
}): GateDeps['signIn'] {
  type Known = { until: number; signIn: Promise<FreshSignIn | undefined> };
  const known = new WeakMap<SessionFacts, Known>();
  return (session) => {
    const before = known.get(session);
    if (before && performance.now() < before.until) return before.signIn;
    const asked = store.current(session.id, session.person);
    const signIn = before
      ? Promise.all([before.signIn.catch(() => undefined), asked]).then(same)
      : asked;
    signIn.catch(() => known.delete(session));
    known.set(session, { until: performance.now() + LOOK_MS, signIn });
    return signIn;
  };
}

function same([a, b]: [FreshSignIn | undefined, FreshSignIn | undefined]): FreshSignIn | undefined {
  return a && b && a.id === b.id && a.authTime === b.authTime ? a : b;
}
