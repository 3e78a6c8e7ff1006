import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

/** What the command line takes from the surroundings of the person who runs it. */
export type UserEnvironment = {
  readonly platform: NodeJS.Platform;
  /** The person's own files of Countersign, absolute: XDG_CONFIG_HOME, Library/Application Support, APPDATA. */
  readonly folder: string;
  /** Where short-lived sockets go, absolute; undefined: the system's folder for temporary files. */
  readonly runtime: string | undefined;
  /** `$BROWSER`: commands with colons between them. */
  readonly browser: string | undefined;
  /** A graphical session is there to open a browser in. */
  readonly graphical: boolean;
};

/** Relative XDG paths do not count (XDG Base Directory Specification). */
export function userEnvironment(
  env: Env = process.env,
  platform: NodeJS.Platform = process.platform,
  home = homedir(),
): UserEnvironment {
  return {
    platform,
    folder: join(configHome(env, platform, home), 'countersign'),
    runtime: absolute(env['XDG_RUNTIME_DIR']),
    browser: env['BROWSER'] || undefined,
    graphical:
      platform === 'darwin' ||
      platform === 'win32' ||
      Boolean(env['DISPLAY'] || env['WAYLAND_DISPLAY']),
  };
}

/** The process's own environment with changes for a child; undefined takes a variable out. */
export function childEnvironment(
  changes: Readonly<Record<string, string | undefined>>,
  env: Env = process.env,
): NodeJS.ProcessEnv {
  const all = Object.entries({ ...env, ...changes });
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
}

function configHome(env: Env, platform: NodeJS.Platform, home: string): string {
  if (platform === 'darwin') return join(home, 'Library', 'Application Support');
  if (platform === 'win32') return env['APPDATA'] || join(home, 'AppData', 'Roaming');
  return absolute(env['XDG_CONFIG_HOME']) ?? join(home, '.config');
}

const absolute = (path: string | undefined): string | undefined =>
  path !== undefined && isAbsolute(path) ? path : undefined;
