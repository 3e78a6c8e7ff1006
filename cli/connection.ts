import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { commandEnvironment } from '#src/config/env.ts';
import { integer, type Options } from './command.ts';
import { Failure, usageFailure } from './failure.ts';
import { readLogin, type StoredLogin } from './login/stored.ts';

const demoFile = z.object({
  console: z.string().optional(),
  api: z.string().optional(),
  postgres: z.object({ host: z.string(), port: z.number() }).optional(),
  people: z
    .record(
      z.string(),
      z.object({ email: z.string(), token: z.string(), decideToken: z.string().optional() }),
    )
    .default({}),
});
export type DemoFile = z.infer<typeof demoFile>;

export const DEMO_FILE = '.countersign/demo.json';

const PLACES = [DEMO_FILE, fileURLToPath(new URL(`../${DEMO_FILE}`, import.meta.url))];

/** The facts the demo writes for scripts, of this folder or of the clone; undefined where no demo has run. */
export async function readDemo(): Promise<DemoFile | undefined> {
  for (const path of PLACES) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- the first that is there
    const demo = await readDemoFile(path);
    if (demo) return demo;
  }
  return undefined;
}

async function readDemoFile(path: string): Promise<DemoFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new Failure(`${path} cannot be read`, { cause: error });
  }
  try {
    return demoFile.parse(JSON.parse(text));
  } catch (cause) {
    throw usageFailure(
      `${path} is not what the demo writes`,
      `npm start writes it anew (${reason(cause)})`,
    );
  }
}

function reason(cause: unknown): string {
  return cause instanceof SyntaxError ? 'it is not JSON' : 'a part is missing';
}

/** Who asks: with a token of one's own, or as one of the demo's people. */
export const IDENTITY_OPTIONS = {
  as: {
    type: 'string',
    value: 'WHO',
    about: "your e-mail with --token, or one of the demo's people (default: engineer)",
  },
  token: {
    type: 'string',
    value: 'TOKEN',
    about: 'access token; COUNTERSIGN_TOKEN keeps it out of the shell history',
  },
} as const satisfies Options;

export type GatewayAddress = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly token: string;
};

type Given = {
  readonly as?: string | undefined;
  readonly token?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
};

const USUAL = { host: '127.0.0.1', port: 6432 };

/** Options win over the environment, the environment over `countersign login`, and that over the demo's file. */
export function gatewayAddress(
  given: Given,
  demo: DemoFile | undefined,
  env = commandEnvironment(),
  login?: StoredLogin,
): GatewayAddress {
  const port = given.port ?? env.port;
  const identity = login ? { user: login.email, token: login.token } : identify(given, demo, env);
  const known = (login ?? demo)?.postgres ?? USUAL;
  return {
    host: given.host ?? env.host ?? known.host,
    port: port === undefined ? known.port : integer(port, 'port', 1, 65_535),
    ...identity,
  };
}

/**
 * The sign-in of `countersign login`, unless a token is given or somebody else is named. An ended one is an error only
 * where nothing else is left.
 */
export async function storedLogin(
  given: Pick<Given, 'as' | 'token'>,
  demo: DemoFile | undefined,
  env = commandEnvironment(),
): Promise<StoredLogin | undefined> {
  if ((given.token ?? env.token) !== undefined) return undefined;
  const login = await readLogin();
  if (!login || (given.as !== undefined && given.as !== login.email)) return undefined;
  if (Date.parse(login.expiresAt) > Date.now()) return login;
  if (demo) return undefined;
  throw new Failure(`the sign-in at ${login.gateway} has ended`, {
    hint: 'countersign login begins anew',
  });
}

function identify(
  given: Given,
  demo: DemoFile | undefined,
  env: ReturnType<typeof commandEnvironment>,
): { user: string; token: string } {
  const token = given.token ?? env.token;
  const who = given.as ?? (token === undefined ? undefined : env.user);
  if (token !== undefined) {
    const user = who === undefined ? undefined : (demo?.people[who]?.email ?? who);
    if (user === undefined)
      throw usageFailure('a token needs a person', 'say whose it is: --as you@example.com');
    return { user, token };
  }
  if (!demo)
    throw usageFailure(
      'no access token',
      `countersign login signs you in; or set COUNTERSIGN_TOKEN and pass --as you@example.com, or run npm start in this folder (it writes ${DEMO_FILE})`,
    );
  const person = demoPerson(demo, who ?? 'engineer');
  return { user: person.email, token: person.token };
}

/** One of the demo's people, by name or e-mail. */
export function demoPerson(demo: DemoFile, who: string): DemoFile['people'][string] {
  const person =
    demo.people[who] ?? Object.values(demo.people).find((candidate) => candidate.email === who);
  if (person) return person;
  throw usageFailure(
    `the demo has nobody called ${who}`,
    `it has ${Object.keys(demo.people).join(', ')}`,
  );
}
