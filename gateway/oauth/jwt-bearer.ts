import { BadBearer, type MachineToken } from '#src/identity/bearer.ts';
import { standInFor } from '#src/identity/bearer-login.ts';
import { tokenReply, type Grant } from './grant.ts';
import { field, proving, scopesOf, type Proofs } from './proofs.ts';

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const LONGEST_MS = 3_600_000;
/** A platform that makes a token for one use gives it a few minutes; one that keeps it in a file, more. */
const SINGLE_USE_MS = 10 * 60_000;
const SKEW_MS = 60_000;

/** RFC 7523 section 2.1: a machine's platform token for a short token of ours. */
export function jwtBearerGrant(proofs: Proofs): Grant {
  const { bearers, directory, tokens, lifetimeMs } = proofs;
  return proving(proofs, 'jwt-bearer', async ({ form, address }) => {
    const jwt = field(form, 'assertion');
    const proof = await bearers.machine(jwt);
    const scopes = scopesOf(form.get('scope'), ['connect', 'read']);
    const machine = await directory.find(proof.machine);
    if (!machine?.machine) throw new BadBearer('the machine is not known here any more');
    await demandFirstUse(proofs, proof);
    const label = `platform token, from ${address}`;
    // Refuses one that was revoked here; what it is exchanged for may outlive it.
    await standInFor(tokens, { jwt, expiresAt: proof.expiresAt }, machine.email, label);
    const longest = Math.min(LONGEST_MS, lifetimeMs());
    const { token, info } = await tokens.issue(machine.email, scopes, label, longest);
    return tokenReply(token, info);
  });
}

/** RFC 7523 section 3: whoever has seen a token go by does not use it again. */
async function demandFirstUse({ once }: Proofs, proof: MachineToken): Promise<void> {
  const { jti, livesMs = Infinity, issuer, expiresAt } = proof;
  if (jti === undefined || livesMs >= SINGLE_USE_MS) return;
  if (!(await once(['platform token', issuer, jti], expiresAt + SKEW_MS)))
    throw new BadBearer('the token was used already: let the platform make another');
}
