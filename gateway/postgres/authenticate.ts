import type { Duplex } from 'node:stream';
import type { Directory, Person } from '#src/identity/person.ts';
import { ScramRefused, startScram, type Scram } from '#src/identity/scram.ts';
import type { ScramSecrets, Tokens } from '#src/identity/token.ts';
import {
  ClientMessage,
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  parseSaslInitialResponse,
} from './codec.ts';
import { Fatal } from './fatal.ts';
import { LARGEST_BEARER, OAUTHBEARER, oauthBearer, type BearerDoor } from './oauth-bearer.ts';
import { readMessage } from './reading.ts';

const MECHANISM = 'SCRAM-SHA-256';
const PLUS = 'SCRAM-SHA-256-PLUS';
const LARGEST_SASL = 4096;

export type Authenticated = {
  /** Undefined for nobody who is known: to the client it looks the same until somebody should confirm it. */
  readonly person: Person | undefined;
  readonly agent?: string;
  /** Id of the token; undefined for who has shown nothing yet. */
  readonly token?: string;
};

export type Asked = {
  readonly tokens: Tokens;
  readonly directory: Directory;
  /** OAUTHBEARER, offered over TLS to who has no live password. */
  readonly bearer?: BearerDoor | undefined;
  /** People without a live password may come with any, and confirm it in the console. */
  readonly unknownPassword?: boolean | undefined;
};

type Connection = {
  readonly tls: boolean;
  readonly address: string;
  /** Of the gateway's certificate on this connection: with it SCRAM-SHA-256-PLUS is offered too. */
  readonly endPoint?: Buffer | undefined;
};

/**
 * SCRAM-SHA-256, over TLS also -PLUS, with a connect token as the password; OAUTHBEARER alone for who has none, since
 * libpq takes the first mechanism that it knows. Strangers go through the same exchange and get the same answer.
 * Throws Fatal; a store or directory that cannot be asked fails closed as 57P03.
 */
export async function authenticate(
  socket: Duplex,
  email: string,
  asked: Asked,
  on: Connection,
): Promise<Authenticated> {
  const { tokens, directory, bearer } = asked;
  const secrets = await tokens.scram(email).catch(cannotAsk);
  if (secrets.verifiers.length === 0) {
    const named = await directory.find(email).catch(cannotAsk);
    if (asked.unknownPassword && !named?.machine) {
      socket.write(authenticationOk());
      return { person: named };
    }
    if (bearer && on.tls) return await withBearer(socket, email, bearer, on);
  }
  const proof = await exchange(socket, secrets, on).catch(refused);
  if (!proof) throw wrongPassword(email, bearer !== undefined && !on.tls);
  const { token } = proof;
  const agent = secrets.verifiers.find((verifier) => verifier.token === token)?.agent;
  const person = await directory.find(email).catch(cannotAsk);
  if (!person)
    throw new Fatal('28000', `"${email}" is no longer known here`, {
      hint: 'Ask the operator of the gateway to add you.',
    });
  socket.write(Buffer.concat([authenticationSaslFinal(proof.serverFinal), authenticationOk()]));
  return { person, token, ...(agent !== undefined && { agent }) };
}

async function withBearer(
  socket: Duplex,
  email: string,
  bearer: BearerDoor,
  { address }: Connection,
): Promise<Authenticated> {
  socket.write(authenticationSasl([OAUTHBEARER]));
  const initial = parseSaslInitialResponse(await saslMessage(socket, LARGEST_BEARER));
  if (initial.mechanism !== OAUTHBEARER) throw wrongMechanism();
  const next = (): Promise<Buffer> => saslMessage(socket);
  const shown = await oauthBearer(socket, initial.data, bearer, { email, address, next });
  socket.write(authenticationOk());
  return shown;
}

async function exchange(
  socket: Duplex,
  secrets: ScramSecrets,
  { endPoint, tls }: Connection,
): Promise<ReturnType<Scram['finish']>> {
  const offered = endPoint ? [PLUS, MECHANISM] : [MECHANISM];
  socket.write(authenticationSasl(offered));
  const initial = parseSaslInitialResponse(await saslMessage(socket));
  if (initial.mechanism === OAUTHBEARER && !tls) throw bearerInTheClear();
  if (!offered.includes(initial.mechanism)) throw wrongMechanism();
  const scram = startScram(initial.data, secrets, { endPoint, plus: initial.mechanism === PLUS });
  if (!scram) throw new Fatal('08P01', 'malformed SCRAM message');
  socket.write(authenticationSaslContinue(scram.serverFirst));
  return scram.finish((await saslMessage(socket)).toString('utf8'));
}

function refused(error: unknown): never {
  if (!(error instanceof ScramRefused)) throw error;
  throw new Fatal('28000', error.message, {
    hint: 'Something between you and the gateway may change what is sent. Check the certificate that your client sees.',
    cause: error,
  });
}

async function saslMessage(socket: Duplex, largest = LARGEST_SASL): Promise<Buffer> {
  const { type, body } = await readMessage(socket, largest);
  if (type !== ClientMessage.Password)
    throw new Fatal('08P01', `expected SASL response, got message type ${String(type)}`);
  return body;
}

function wrongPassword(email: string, needsTls: boolean): Fatal {
  const other = needsTls ? ' A sign-in with OAuth needs TLS: sslmode=require.' : '';
  return new Fatal('28P01', `password authentication failed for user "${email}"`, {
    hint: `The user is your e-mail address, the password a token: countersign token issue, or the console.${other}`,
  });
}

const wrongMechanism = (): Fatal =>
  new Fatal('08P01', 'client selected an invalid SASL authentication mechanism');

const bearerInTheClear = (): Fatal =>
  new Fatal('28000', 'the gateway takes OAuth tokens only over TLS', {
    hint: 'Connect with sslmode=require or better. This token has crossed the network in the clear: revoke it.',
  });

function cannotAsk(cause: unknown): never {
  throw new Fatal('57P03', 'the gateway cannot check passwords now', {
    hint: 'Try again; if it lasts, the operator should look at the store.',
    cause,
  });
}
