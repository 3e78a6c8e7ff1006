import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Config } from './config.ts';

/** Editors write a file in several steps, and several files one after the other. */
const SETTLE_MS = 200;
/** Finds what the system did not tell, such as the swapped link of a Kubernetes ConfigMap. */
const POLL_MS = 5_000;

/** Calls `look` when a rule file or the configuration may have changed, and every few seconds to be sure. */
export function watchConfig(config: Config, look: () => void, pollMs = POLL_MS): { close(): void } {
  let settling: NodeJS.Timeout | undefined;
  const soon = (): void => {
    clearTimeout(settling);
    settling = setTimeout(look, SETTLE_MS).unref();
  };
  const { source, policies } = config;
  const own = source && basename(source.path);
  const watchers = [
    ...watching(policies, soon),
    // The folder, because editors put another file in the place of the old one.
    ...(source ? watching(dirname(source.path), (name) => name === own && soon()) : []),
    ...(source?.beside ?? []).flatMap(({ path }) =>
      watching(dirname(path), (name) => name === basename(path) && soon()),
    ),
  ];
  const poll = setInterval(look, pollMs).unref();
  return {
    close() {
      clearTimeout(settling);
      clearInterval(poll);
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** None where the system cannot watch: the poll finds it. */
function watching(folder: string, changed: (name: string | null) => void): FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, (_, name) => changed(name));
    return [watcher.on('error', () => watcher.close())];
  } catch {
    return [];
  }
}
