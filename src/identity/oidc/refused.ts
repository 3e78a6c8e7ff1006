import * as client from 'openid-client';
import { NotWelcome } from '../sign-in.ts';
import { ProviderAway } from './provider.ts';
import { BadToken } from './verify.ts';

/** A sign-in that came back and was refused. `code` is for the record; the message is for the person. */
export class SignInRefused extends NotWelcome {
  override name = 'SignInRefused';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message);
    this.code = code;
    if (options?.cause !== undefined) this.cause = options.cause;
  }
}

/** Codes of RFC 6749 and OpenID Connect; anything else a provider says is not repeated. */
const CODE = /^[a-z_]{1,40}$/;
const named = (code: string): string => (CODE.test(code) ? code : 'an error');

/** What went wrong between us and the provider, as an answer; what is no refusal comes back as it is. */
export function refusalFrom(label: string, error: unknown): unknown {
  if (error instanceof NotWelcome || error instanceof ProviderAway) return error;
  if (error instanceof client.AuthorizationResponseError)
    return new SignInRefused(
      'provider-said-no',
      `${label} did not sign you in: ${named(error.error)}. Try again, or ask the operator.`,
      { cause: error },
    );
  if (error instanceof client.ResponseBodyError) {
    const code = named(error.error);
    if (error.status >= 500 || code === 'temporarily_unavailable') return away(label, error);
    return new SignInRefused(
      `token-${code}`,
      code === 'invalid_client'
        ? `${label} does not know Countersign's client or its secret: ask the operator.`
        : `${label} did not accept the sign-in (${code}): begin again.`,
      { cause: error },
    );
  }
  if (error instanceof BadToken)
    return new SignInRefused(error.code, `The token of ${label} was refused: ${error.message}.`, {
      cause: error,
    });
  if (error instanceof client.WWWAuthenticateChallengeError) return away(label, error);
  if (error instanceof client.ClientError) return fromLibrary(label, error);
  return isNetwork(error) ? away(label, error) : error;
}

const away = (label: string, cause: unknown): ProviderAway =>
  new ProviderAway(`${label} does not answer: try again in a moment.`, { cause });

function fromLibrary(label: string, error: client.ClientError): unknown {
  if (error.code === 'OAUTH_TIMEOUT' || isNetwork(error.cause) || isBusy(error.cause))
    return away(label, error);
  // The library's own words: OAUTH_INVALID_RESPONSE.
  const code = (error.code ?? 'odd-answer').replace('OAUTH_', '').toLowerCase();
  const claim = claimOf(error);
  const what = claim === undefined ? 'is not as it must be' : `does not fit: ${claim}`;
  return new SignInRefused(
    claim === undefined ? code.replaceAll('_', '-') : `claim-${claim}`,
    `The answer of ${label} ${what}. Begin again; if it stays so, ask the operator.`,
    { cause: error },
  );
}

/** The claim that was wrong, as the library names it. */
function claimOf({ cause }: Error): string | undefined {
  const inner = cause instanceof Error ? cause.cause : undefined;
  const claim: unknown =
    typeof inner === 'object' && inner !== null ? Reflect.get(inner, 'claim') : undefined;
  return typeof claim === 'string' ? claim : undefined;
}

/** An answer that only says that there is none now. */
function isBusy(answer: unknown): boolean {
  const status: unknown =
    typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'status') : undefined;
  return typeof status === 'number' && (status >= 500 || status === 429);
}

function isNetwork(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof TypeError && error.message === 'fetch failed') return true;
  return error.name === 'TimeoutError' || error.name === 'AbortError';
}
