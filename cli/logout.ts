import { parse, type Command, type Options } from './command.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { findGateway, gatewayUrl } from './login/gateway.ts';
import { readLogin, removeLogin } from './login/stored.ts';
import type { Terminal } from './terminal.ts';

const OPTIONS = {
  gateway: { type: 'string', value: 'URL', about: 'of which gateway (default: the last login)' },
} as const satisfies Options;

export const logoutCommand: Command = {
  usage: ['logout [--gateway URL]'],
  about:
    'Ends what countersign login has begun: the token is revoked at the gateway, which ends every session and\n' +
    'certificate that was made with it, and is taken out of the keyring or file.',
  options: OPTIONS,
  run: logout,
};

async function logout(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const login = await readLogin(values.gateway && gatewayUrl(values.gateway));
  if (!login) {
    terminal.err('nobody is signed in here');
    return EXIT.done;
  }
  // What is kept here goes in any case; that the gateway could not be told is a failure all the same.
  const revoked = await findGateway(login.gateway)
    .then((gateway) => gateway.revoke(login.token))
    .then(() => undefined)
    .catch((error: unknown) => error);
  await removeLogin(login.gateway);
  if (revoked !== undefined)
    throw new Failure(`signed out here, but ${login.gateway} could not be told`, {
      hint: `the token works until ${login.expiresAt}; revoke it in the console if somebody may have it`,
      cause: revoked,
    });
  terminal.err(`Signed out at ${login.gateway}.`);
  return EXIT.done;
}
