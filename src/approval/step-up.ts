import type { Requirement } from '../policy/verdict.ts';
import type { Refusal, Request } from './request.ts';

/** A fresh sign-in for one request, as the provider told of it. Only the console's own sign-in makes one, never a bearer token. */
export type StepUp = {
  readonly request: string;
  /** When the person proved who they are, in milliseconds since the epoch, by the provider's clock. */
  readonly authTime: number;
  /** How far that clock may be from ours. */
  readonly skewMs: number;
  readonly acr?: string;
  readonly amr?: readonly string[];
};

const refuse = (message: string): Refusal => ({ code: 'step-up-required', message });

/** Why this sign-in does not do for an approval of this request; undefined when it does, or when no rule asks for one. */
export function stepUpRefusal(
  request: Pick<Request, 'id' | 'createdAt' | 'requirement'>,
  stepUp: StepUp | undefined,
  now = Date.now(),
): Refusal | undefined {
  const { stepUpMs } = request.requirement;
  if (stepUpMs === undefined) return undefined;
  if (stepUp?.request !== request.id)
    return refuse(
      'The rule asks for a fresh sign-in for this very request. Open the request in the console, sign in again there, then approve it.',
    );
  const { authTime, skewMs } = stepUp;
  const opened = Date.parse(request.createdAt);
  const isFresh =
    now - authTime <= stepUpMs && authTime + skewMs >= opened && authTime <= now + skewMs;
  if (!isFresh)
    return refuse(
      'Your sign-in for this request is no longer fresh enough. Sign in again on its page in the console.',
    );
  return unlike(request.requirement, stepUp);
}

/** The rule asks how it was proved, too. */
function unlike({ acr = [], amr = [] }: Requirement, stepUp: StepUp): Refusal | undefined {
  const lacks = [
    ...acr.filter((each) => each !== stepUp.acr).map((each) => `acr ${each}`),
    ...amr.filter((each) => !stepUp.amr?.includes(each)).map((each) => `amr ${each}`),
  ];
  return lacks.length === 0
    ? undefined
    : refuse(
        `The rule asks for a sign-in with ${lacks.join(' and ')}, which yours was not. Sign in again that way.`,
      );
}
