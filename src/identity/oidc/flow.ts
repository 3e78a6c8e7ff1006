import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { keyed, seal, unseal } from './seal.ts';

/** One sign-in on its way: begun in one browser, for one provider. */
export type Flow = {
  readonly provider: string;
  /** Page of ours to go to afterwards. */
  readonly next: string;
  /** When it was begun, in milliseconds since the epoch. */
  readonly startedAt: number;
  /** A fresh sign-in of this person, for this and nothing else. */
  readonly stepUp?: StepUpFor & { readonly person: string };
};

/** To decide this request, to be shown columns in this database session, or to link the account in chat of this link. */
export type StepUpFor =
  | { readonly request: string }
  | { readonly session: string }
  | { readonly chatLink: string };

const LIFETIME_MS = 10 * 60_000;
/** Another gateway of the installation may have begun it, by its own clock. */
const CLOCKS_MS = 60_000;

const Content = z.strictObject({
  provider: z.string(),
  next: z.string(),
  startedAt: z.number(),
  stepUp: z
    .union([
      z.strictObject({ request: z.string(), person: z.string() }),
      z.strictObject({ session: z.string(), person: z.string() }),
      z.strictObject({ chatLink: z.string(), person: z.string() }),
    ])
    .exactOptional(),
  salt: z.string(),
});

/** What goes to the provider and is compared when the browser comes back. */
export type FlowSecrets = {
  readonly state: string;
  readonly nonce: string;
  readonly pkceVerifier: string;
};

/**
 * Seals a sign-in into its own `state`, for this browser's cookie: a start that nobody finishes costs no memory, the
 * provider cannot read it, and in another browser it does not open. Nonce and PKCE verifier follow from it, so the
 * nonce names the provider, what a step-up is for and this one attempt.
 */
export function beginFlow(secret: Buffer, cookie: string, flow: Flow): FlowSecrets {
  const salt = randomBytes(32).toString('base64url');
  const text = JSON.stringify({ ...flow, salt });
  const state = seal(secret, contextOf(cookie), text).toString('base64url');
  return { state, ...derived(secret, flow, salt) };
}

/** The sign-in of this state, when this browser began it less than ten minutes ago. That it comes once is seen elsewhere. */
export function openFlow(
  secret: Buffer,
  cookie: string,
  state: string,
  now = Date.now(),
): { readonly flow: Flow; readonly secrets: FlowSecrets } | undefined {
  if (!/^[\w-]{1,4096}$/.test(state)) return undefined;
  const sealed = Buffer.from(state, 'base64url');
  // Base64 can say the same in several ways; only one of them is the state that we gave.
  if (sealed.toString('base64url') !== state) return undefined;
  const text = unseal(secret, contextOf(cookie), sealed);
  if (text === undefined) return undefined;
  const { salt, ...flow } = Content.parse(JSON.parse(text));
  const age = now - flow.startedAt;
  if (age < -CLOCKS_MS || age > LIFETIME_MS) return undefined;
  return { flow, secrets: { state, ...derived(secret, flow, salt) } };
}

const contextOf = (cookie: string): string => `sign-in\0${cookie}`;

function derived(secret: Buffer, flow: Flow, salt: string): Omit<FlowSecrets, 'state'> {
  const of = (use: string): string =>
    keyed(secret, use, flow.provider, purposeOf(flow.stepUp), salt).toString('base64url');
  return { nonce: of('nonce'), pkceVerifier: of('pkce') };
}

function purposeOf(stepUp: StepUpFor | undefined): string {
  if (!stepUp) return '';
  if ('chatLink' in stepUp) return `chat link ${stepUp.chatLink}`;
  return 'request' in stepUp ? `request ${stepUp.request}` : `session ${stepUp.session}`;
}
