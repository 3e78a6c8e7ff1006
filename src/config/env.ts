/** What the command line takes from the environment, so that a token need not stand in the shell's history. */
export type CommandEnvironment = {
  /** `COUNTERSIGN_TOKEN` */
  readonly token?: string;
  /** `COUNTERSIGN_USER`: the e-mail of the person the token belongs to. */
  readonly user?: string;
  /** `COUNTERSIGN_HOST`, `COUNTERSIGN_PORT`: where the gateway answers PostgreSQL clients. */
  readonly host?: string;
  readonly port?: string;
  /** `COUNTERSIGN_API`: address that ends in `/api/v1`. */
  readonly api?: string;
};

const NAMES = {
  token: 'COUNTERSIGN_TOKEN',
  user: 'COUNTERSIGN_USER',
  host: 'COUNTERSIGN_HOST',
  port: 'COUNTERSIGN_PORT',
  api: 'COUNTERSIGN_API',
} as const;

/** An empty variable counts as unset. */
export function commandEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): CommandEnvironment {
  return Object.fromEntries(
    Object.entries(NAMES).flatMap(([key, name]) => {
      const value = env[name];
      return value === undefined || value === '' ? [] : [[key, value]];
    }),
  );
}
