import { accessSync, constants, globSync } from 'node:fs';

/** Programs that a test drives as a user would, and the Debian package that brings each. */
export const TOOLS = {
  psql: {
    debian: 'postgresql-client',
    paths: [
      '/usr/bin/psql',
      '/usr/local/bin/psql',
      '/opt/homebrew/bin/psql',
      '/usr/lib/postgresql/*/bin/psql',
    ],
  },
  'postgres-15': {
    debian: 'postgresql-15',
    paths: ['/usr/lib/postgresql/15/bin/postgres'],
  },
  pgbench: {
    debian: 'postgresql-contrib',
    paths: ['/usr/bin/pgbench', '/usr/local/bin/pgbench', '/usr/lib/postgresql/*/bin/pgbench'],
  },
  chromium: {
    debian: 'chromium',
    paths: [
      '/usr/bin/chromium',
      '/usr/bin/chromium-browser',
      '/usr/bin/google-chrome',
      '/snap/bin/chromium',
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    ],
  },
  python3: {
    debian: 'python3',
    paths: ['/usr/bin/python3', '/usr/local/bin/python3', '/opt/homebrew/bin/python3'],
  },
  javac: {
    debian: 'default-jdk-headless',
    paths: ['/usr/bin/javac', '/usr/local/bin/javac', '/opt/homebrew/opt/openjdk/bin/javac'],
  },
  /** Not a program but a library: PostgreSQL's driver for Java. */
  jdbc: {
    debian: 'libpostgresql-jdbc-java',
    paths: ['/usr/share/java/postgresql.jar', '/usr/share/java/postgresql/postgresql.jar'],
  },
  bash: { debian: 'bash', paths: ['/usr/bin/bash', '/bin/bash', '/opt/homebrew/bin/bash'] },
  zsh: { debian: 'zsh', paths: ['/usr/bin/zsh', '/bin/zsh', '/opt/homebrew/bin/zsh'] },
  fish: {
    debian: 'fish',
    paths: ['/usr/bin/fish', '/usr/local/bin/fish', '/opt/homebrew/bin/fish'],
  },
  'redis-server': {
    debian: 'redis-server',
    paths: [
      '/usr/bin/redis-server',
      '/usr/local/bin/redis-server',
      '/opt/homebrew/bin/redis-server',
    ],
  },
} as const;
export type Tool = keyof typeof TOOLS;

/** The program's path, or undefined where it is not installed. */
export function need(tool: Tool): string | undefined {
  return TOOLS[tool].paths.flatMap((path) => globSync(path)).find(isUsable);
}

/**
 * For a test's `skip` option: the reason, or false when every tool is here. In CI nothing is skipped: there a missing
 * tool throws, which fails the file.
 */
export function without(...tools: readonly Tool[]): string | false {
  const missing = tools.filter((tool) => need(tool) === undefined);
  if (missing.length === 0) return false;
  const reason = missing
    .map((tool) => `${tool} is not installed (apt-get install ${TOOLS[tool].debian})`)
    .join('; ');
  // oxlint-disable-next-line node/no-process-env -- the convention by which CI systems say what they are
  if (process.env['CI']) throw new Error(reason);
  return reason;
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, path.endsWith('.jar') ? constants.R_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
