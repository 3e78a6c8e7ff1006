import { createHash } from 'node:crypto';
import { watch, type FSWatcher } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Certificate and key are replaced one after the other; what happens within this time is one change. */
const SETTLE_MS = 300;
/** Network file systems do not tell. */
const POLL_MS = 60_000;

/**
 * Calls `changed` after the contents of one of the files have changed, however they were replaced: written over, renamed
 * into place, or by a link to another folder. Does not keep the process alive.
 */
export function watchFiles(
  files: readonly string[],
  changed: () => Promise<void>,
  { settleMs = SETTLE_MS, pollMs = POLL_MS }: { settleMs?: number; pollMs?: number } = {},
): { close(): void } {
  let closed = false;
  let settling: NodeJS.Timeout | undefined;
  // One look after the other, so that an old content is never taken for a new one.
  let last = digest(files);
  const look = (): void => {
    last = last.then(async (before) => {
      const now = await digest(files);
      if (!closed && now !== before) await changed();
      return now;
    });
  };
  const soon = (): void => {
    clearTimeout(settling);
    settling = setTimeout(look, settleMs).unref();
  };
  // The folder, not the file: a file that was renamed away would be watched where nobody writes any more.
  const watchers = [...new Set(files.map((file) => dirname(file)))].flatMap((folder) =>
    watchFolder(folder, soon),
  );
  const poll = setInterval(look, pollMs).unref();
  return {
    close() {
      closed = true;
      clearTimeout(settling);
      clearInterval(poll);
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** Nothing where the system cannot watch it (no such folder, no watches left): polling finds changes there. */
function watchFolder(folder: string, listener: () => void): FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, listener);
    return [watcher.on('error', () => watcher.close())];
  } catch {
    return [];
  }
}

async function digest(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- a few small files, in a fixed order
    const content = await readFile(file).catch(() => Buffer.from('unreadable'));
    hash.update(createHash('sha256').update(content).digest());
  }
  return hash.digest('hex');
}
