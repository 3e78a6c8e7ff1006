import { spawn } from 'node:child_process';
import type { UserEnvironment } from '#src/config/user.ts';

/** What an address may hold so that no shell or program reads anything else into it. */
const HARMLESS = /^https?:\/\/[A-Za-z0-9.:[\]-]+\/[A-Za-z0-9/?=._-]*$/u;

/** The command that shows this address, or undefined where no browser is to be had. */
export function browserCommand(
  url: string,
  { platform, browser, graphical }: UserEnvironment,
): readonly string[] | undefined {
  if (!HARMLESS.test(url)) return undefined;
  const own = browser?.split(':')[0];
  if (own) return own.includes('%s') ? own.split(' ').map((w) => w.replace('%s', url)) : [own, url];
  if (!graphical) return undefined;
  if (platform === 'darwin') return ['open', url];
  if (platform === 'win32') return ['cmd', '/c', 'start', '""', url];
  return ['xdg-open', url];
}

/** Tries; the address is printed anyway, so nobody hears of a failure. */
export function openBrowser(url: string, environment: UserEnvironment): void {
  const [file, ...args] = browserCommand(url, environment) ?? [];
  if (file === undefined) return;
  const child = spawn(file, args, {
    stdio: 'ignore',
    detached: true,
    windowsVerbatimArguments: true,
  });
  child.on('error', () => undefined);
  child.unref();
}
