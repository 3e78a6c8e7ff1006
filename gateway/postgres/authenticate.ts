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
import { readMessage } from './reading.ts';

const MECHANISM = 'SCRAM-SHA-256';
const PLUS = 'SCRAM-SHA-256-PLUS';
const LARGEST_SASL = 4096;

export type Authenticated = {
  readonly person: Person;
  /** Id of the token. */ readonly token: string;
};

type Asked = {
  readonly tokens: Tokens;
  readonly directory: Directory;
  /** Of the gateway's certificate on this connection: with it SCRAM-SHA-256-PLUS is offered too. */
  readonly endPoint?: Buffer | undefined;
};

/**
 * SCRAM-SHA-256, over TLS also -PLUS, with a connect token as the password. Strangers go through the same exchange and get the same answer.
 * Throws Fatal; a store or directory that cannot be asked fails closed as 57P03.
 */
export async function authenticate(
  socket: Duplex,
  email: string,
  { tokens, directory, endPoint }: Asked,
): Promise<Authenticated> {
  const secrets = await tokens.scram(email).catch(cannotAsk);
  const proof = await exchange(socket, secrets, endPoint).catch(refused);
  if (!proof) throw wrongPassword(email);
  const person = await directory.find(email).catch(cannotAsk);
  if (!person)
    throw new Fatal('28000', `"${email}" is no longer known here`, {
      hint: 'Ask the operator of the gateway to add you.',
    });
  socket.write(Buffer.concat([authenticationSaslFinal(proof.serverFinal), authenticationOk()]));
  return { person, token: proof.token };
}

async function exchange(
  socket: Duplex,
  secrets: ScramSecrets,
  endPoint: Buffer | undefined,
): Promise<ReturnType<Scram['finish']>> {
  const offered = endPoint ? [PLUS, MECHANISM] : [MECHANISM];
  socket.write(authenticationSasl(offered));
  const initial = parseSaslInitialResponse(await saslMessage(socket));
  if (!offered.includes(initial.mechanism))
    throw new Fatal('08P01', 'client selected an invalid SASL authentication mechanism');
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

async function saslMessage(socket: Duplex): Promise<Buffer> {
  const { type, body } = await readMessage(socket, LARGEST_SASL);
  if (type !== ClientMessage.Password)
    throw new Fatal('08P01', `expected SASL response, got message type ${String(type)}`);
  return body;
}

function wrongPassword(email: string): Fatal {
  return new Fatal('28P01', `password authentication failed for user "${email}"`, {
    hint: 'The user is your e-mail address, the password a token: countersign token issue, or the console.',
  });
}

function cannotAsk(cause: unknown): never {
  throw new Fatal('57P03', 'the gateway cannot check passwords now', {
    hint: 'Try again; if it lasts, the operator should look at the store.',
    cause,
  });
}
