import { generateKeyPairSync } from 'node:crypto';
import { userEnvironment } from '#src/config/user.ts';
import { parse, type Command, type Options } from './command.ts';
import { readDemo } from './connection.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { openBrowser } from './login/browser.ts';
import { findGateway, gatewayUrl, type Gateway } from './login/gateway.ts';
import { writePrivate } from './login/private-file.ts';
import { certificateFiles, loginFile, readLogin, saveLogin } from './login/stored.ts';
import { clock, type Terminal } from './terminal.ts';

const OPTIONS = {
  gateway: {
    type: 'string',
    value: 'URL',
    about: 'address of the console (default: that of the last login, else of the demo here)',
  },
  certificate: {
    type: 'boolean',
    about: 'also get a client certificate, for programs that take sslcert and sslkey',
  },
  'no-browser': { type: 'boolean', about: 'only print the address' },
} as const satisfies Options;

export const loginCommand: Command = {
  usage: ['login [--gateway URL] [--certificate] [--no-browser]'],
  about:
    'Signs this terminal in: prints a code that you confirm in the console. The token lives as long as the gateway\n' +
    'says (8 h usually) and is kept in the keyring, or in a file that only you can read. Other commands use it.',
  options: OPTIONS,
  examples: ['countersign login --gateway https://countersign.example.com'],
  run: login,
};

async function login(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const gateway = await findGateway(await whichGateway(values.gateway));
  if (values.certificate && !gateway.certifies)
    throw new Failure(`${gateway.url} takes no client certificates of its own`, {
      hint: 'its operator turns them on: tls.certificateLogin; leave --certificate out',
    });
  const device = await gateway.device();
  terminal.err(`Open   ${device.page}`);
  terminal.err(`Code   ${device.code}`);
  terminal.err(`Or     ${device.link}`);
  terminal.err(`Confirm there only what you see here. It ends in ${device.minutes} minutes.`);
  if (!values['no-browser']) openBrowser(device.link, userEnvironment());
  terminal.status('waiting for you in the browser …');
  const token = await device.wait().finally(() => terminal.status(undefined));
  const { email, exp } = await gateway.whoami(token);
  const expiresAt = new Date(exp * 1_000).toISOString();
  const certificate = values.certificate ? await certify(gateway, token) : undefined;
  const place = await saveLogin({
    gateway: gateway.url,
    token,
    email,
    expiresAt,
    postgres: gateway.postgres,
    ...(certificate && { certificate }),
  });
  terminal.err(
    `Signed in at ${gateway.url} as ${email} until ${clock(expiresAt)}; kept in ${place}.`,
  );
  if (certificate)
    terminal.err(
      `Certificate: sslmode=verify-full sslcert='${certificate.cert}' sslkey='${certificate.key}'`,
    );
  return EXIT.done;
}

/** Files for sslcert and sslkey. The private key never leaves this machine. */
async function certify(
  gateway: Gateway,
  token: string,
): Promise<{ readonly key: string; readonly cert: string }> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const { certificate } = await gateway.certify(token, spki);
  const files = certificateFiles(gateway.url);
  await writePrivate(files.key, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  await writePrivate(files.cert, certificate);
  return files;
}

async function whichGateway(given: string | undefined): Promise<string> {
  if (given !== undefined) return gatewayUrl(given);
  const last = await readLogin().catch(() => undefined);
  const known = last?.gateway ?? (await readDemo())?.console;
  if (known !== undefined) return gatewayUrl(known);
  throw usageFailure(
    'which gateway?',
    `countersign login --gateway https://countersign.example.com (${loginFile()} remembers it)`,
  );
}
