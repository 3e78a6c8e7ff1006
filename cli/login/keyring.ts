import { spawn } from 'node:child_process';

/** The keyring of the operating system: one secret an account. */
export type Keyring = {
  /** As people call it. */
  readonly name: string;
  /** False when it cannot keep it: none runs, it is locked, or somebody said no. */
  set(account: string, secret: string): Promise<boolean>;
  get(account: string): Promise<string | undefined>;
  remove(account: string): Promise<void>;
};

const SERVICE = 'countersign';
/** Long enough for somebody to unlock it. */
const PATIENCE_MS = 60_000;
/** What can stand in a command of `security -i` without quoting getting difficult. */
const PLAIN = /^[\w.:/@[\]-]+$/u;

/** Undefined where no program gives access to one. Secrets go through pipes: arguments are seen by everybody. */
export function openKeyring(platform: NodeJS.Platform): Keyring | undefined {
  if (platform === 'linux') return secretService();
  if (platform === 'darwin') return macKeychain();
  return undefined;
}

const about = (account: string): string[] => ['service', SERVICE, 'gateway', account];

/** secret-tool (libsecret). */
function secretService(): Keyring {
  return {
    name: 'the keyring',
    async set(account, secret) {
      const label = `--label=Countersign ${account}`;
      const stored = await run('secret-tool', ['store', label, ...about(account)], secret);
      return stored !== undefined && (await this.get(account)) === secret;
    },
    get: (account) => run('secret-tool', ['lookup', ...about(account)]).then(orNothing),
    async remove(account) {
      await run('secret-tool', ['clear', ...about(account)]);
    },
  };
}

function macKeychain(): Keyring {
  return {
    name: 'the keychain',
    async set(account, secret) {
      if (!PLAIN.test(account) || !PLAIN.test(secret)) return false;
      const command = `add-generic-password -U -s ${SERVICE} -a ${account} -w ${secret}\n`;
      await run('security', ['-i'], command);
      return (await this.get(account)) === secret;
    },
    get: (account) =>
      run('security', ['find-generic-password', '-s', SERVICE, '-a', account, '-w']).then(
        orNothing,
      ),
    async remove(account) {
      await run('security', ['delete-generic-password', '-s', SERVICE, '-a', account]);
    },
  };
}

const orNothing = (text: string | undefined): string | undefined =>
  text?.replace(/\n$/u, '') || undefined;

/** What it printed; undefined when it is not there, failed or took too long. */
function run(file: string, args: readonly string[], input = ''): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    const patience = setTimeout(() => child.kill(), PATIENCE_MS);
    const done = (printed: string | undefined): void => {
      clearTimeout(patience);
      resolve(printed);
    };
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stdin.on('error', () => undefined);
    child.on('error', () => done(undefined));
    child.on('close', (code) => done(code === 0 ? out : undefined));
    child.stdin.end(input);
  });
}
