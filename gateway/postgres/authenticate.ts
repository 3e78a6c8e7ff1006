import type { Duplex } from 'node:stream';
import type { Directory, Person } from '#src/identity/person.ts';
import { startScram } from '#src/identity/scram.ts';
import type { Tokens } from '#src/identity/token.ts';
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
const LARGEST_SASL = 4096;

export type Authenticated = {
  readonly person: Person;
  /** Id of the token. */ readonly token: string;
};

/**
 * SCRAM-SHA-256 with a connect token as the password. Strangers go through the same exchange and get the same answer.
 * Throws Fatal; a store or directory that cannot be asked fails closed as 57P03.
 */
export async function authenticate(
  socket: Duplex,
  email: string,
  { tokens, directory }: { readonly tokens: Tokens; readonly directory: Directory },
): Promise<Authenticated> {
  const secrets = await tokens.scram(email).catch(cannotAsk);
  socket.write(authenticationSasl([MECHANISM]));
  const initial = parseSaslInitialResponse(await saslMessage(socket));
  if (initial.mechanism !== MECHANISM)
    throw new Fatal('08P01', 'client selected an invalid SASL authentication mechanism');
  const exchange = startScram(initial.data, secrets);
  if (!exchange)
    throw new Fatal('08P01', 'malformed SCRAM message, or one that asks for channel binding');
  socket.write(authenticationSaslContinue(exchange.serverFirst));
  const final = (await saslMessage(socket)).toString('utf8');
  const proof = exchange.finish(final);
  if (!proof) throw wrongPassword(email);
  const person = await directory.find(email).catch(cannotAsk);
  if (!person)
    throw new Fatal('28000', `"${email}" is no longer known here`, {
      hint: 'Ask the operator of the gateway to add you.',
    });
  socket.write(Buffer.concat([authenticationSaslFinal(proof.serverFinal), authenticationOk()]));
  return { person, token: proof.token };
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
