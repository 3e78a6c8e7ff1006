import { BadBearer } from '#src/identity/bearer.ts';
import { standInFor } from '#src/identity/bearer-login.ts';
import { isSecret } from '#src/identity/secret.ts';
import type { AgentConfig } from '#src/config/identity.ts';
import type { Scope } from '#src/identity/token.ts';
import { OauthError } from './errors.ts';
import { tokenReply, type Grant } from './grant.ts';
import { field, proving, scopesOf, type Proofs } from './proofs.ts';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

const TYPE = 'urn:ietf:params:oauth:token-type:';
const ACCESS_TOKEN = `${TYPE}access_token`;
const TYPES: ReadonlySet<string> = new Set([ACCESS_TOKEN, `${TYPE}jwt`]);

/** Whose power is handed on: never more than their token has, and never longer. */
type Subject = {
  readonly person: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: number;
  /** Id of our own token, or of what stands for a provider's: the new one ends with it. */
  readonly parent: string;
};

/** RFC 8693: a person's token and their agent's for one with which the agent acts for the person. */
export function tokenExchangeGrant(proofs: Proofs): Grant {
  const { directory, tokens, lifetimeMs } = proofs;
  return proving(proofs, 'token-exchange', async ({ form, address }) => {
    demandTypes(form);
    const subject = await subjectOf(proofs, field(form, 'subject_token'), address);
    const agent = await actorOf(proofs, field(form, 'actor_token'));
    const scopes = scopesOf(form.get('scope'), subject.scopes);
    const person = await directory.find(subject.person);
    if (!person) throw new BadBearer('the person is not known here any more');
    if (person.machine) throw new BadBearer('an agent acts for a person, not for a machine');
    const lifetime = Math.min(lifetimeMs(), subject.expiresAt - Date.now());
    if (lifetime <= 0) throw new BadBearer('the token has expired');
    const { parent } = subject;
    const kind = { agent: agent.id, parent };
    const label = `${agent.name}, from ${address}`;
    const { token, info } = await tokens.issue(person.email, scopes, label, lifetime, kind);
    const reply = { ...tokenReply(token, info), issued_token_type: ACCESS_TOKEN };
    return { ...reply, act: { sub: agent.id } };
  });
}

function demandTypes(form: ReadonlyMap<string, string>): void {
  for (const name of ['subject_token_type', 'actor_token_type'])
    if (!TYPES.has(field(form, name)))
      throw new OauthError('invalid_request', `${name} must be one of ${[...TYPES].join(', ')}.`);
  if ((form.get('requested_token_type') ?? ACCESS_TOKEN) !== ACCESS_TOKEN)
    throw new OauthError('invalid_request', `Only ${ACCESS_TOKEN} is issued here.`);
}

async function subjectOf(
  { bearers, ownerOf, tokens }: Proofs,
  text: string,
  address: string,
): Promise<Subject> {
  if (!isSecret(text)) {
    const token = await bearers.access(text);
    if (token.acted) throw again();
    const { expiresAt, provider } = token;
    const person = await ownerOf(token);
    const label = `access token of ${provider}, from ${address}`;
    const { id: parent } = await standInFor(tokens, { jwt: text, expiresAt }, person, label);
    return { person, scopes: ['connect', 'read'], expiresAt, parent };
  }
  const info = (await tokens.check(text, 'connect')) ?? (await tokens.check(text, 'read'));
  if (!info) throw new BadBearer('the subject token is unknown, expired or revoked');
  if (info.agent !== undefined) throw again();
  const { person, scopes, id } = info;
  return { person, scopes, expiresAt: Date.parse(info.expiresAt), parent: id };
}

const again = (): BadBearer =>
  new BadBearer('somebody acts for the person with this token already: it is not exchanged again');

/** The agent's own token. One of a person, issued to the agent's client, would let any of its users be the agent. */
async function actorOf({ bearers, ownerOf }: Proofs, jwt: string): Promise<AgentConfig> {
  const token = await bearers.access(jwt);
  const agent = bearers.agent(token);
  const owner = await ownerOf(token).catch((error: unknown) => {
    if (error instanceof BadBearer) return undefined;
    throw error;
  });
  if (token.acted || owner !== undefined)
    throw new BadBearer('the actor token is of a person: the agent brings one of its own');
  return agent;
}
