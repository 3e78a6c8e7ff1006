import { parse, type Command, type Options } from './command.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { findGateway, gatewayUrl } from './login/gateway.ts';
import { readLogin } from './login/stored.ts';
import { clock, printable, type Terminal } from './terminal.ts';

const OPTIONS = {
  gateway: { type: 'string', value: 'URL', about: 'at which gateway (default: the last login)' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const whoamiCommand: Command = {
  usage: ['whoami [--gateway URL] [--json]'],
  about: 'Asks the gateway who you are there, in which groups, and until when you are signed in.',
  options: OPTIONS,
  run: whoami,
};

async function whoami(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const login = await readLogin(values.gateway && gatewayUrl(values.gateway));
  if (!login)
    throw new Failure('nobody is signed in here', { hint: 'countersign login --gateway URL' });
  const gateway = await findGateway(login.gateway);
  const { email, name, groups, scope, exp } = await gateway.whoami(login.token);
  const expiresAt = new Date(exp * 1_000).toISOString();
  if (values.json) {
    const facts = { email, name, groups, scopes: scope.split(' '), gateway: gateway.url };
    terminal.out(JSON.stringify({ ...facts, expiresAt }, undefined, 2));
    return EXIT.done;
  }
  terminal.out(`${printable(email)} (${printable(name)})`);
  terminal.out(`groups   ${printable(groups.join(', ')) || 'none'}`);
  terminal.out(`may      ${printable(scope)}`);
  terminal.out(`gateway  ${gateway.url}`);
  terminal.out(`until    ${clock(expiresAt)}`);
  return EXIT.done;
}
