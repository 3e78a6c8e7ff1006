import type { Logger } from 'pino';
import type { Config } from '#src/config/config.ts';
import {
  certificates,
  readServerPem,
  readTargetPem,
  tlsFiles,
  type ServerPem,
} from '#src/config/tls.ts';
import { watchFiles } from '#src/config/watch.ts';

const DAY_MS = 86_400_000;
const WARN_DAYS = 14;

/** Calls `apply` now, and again with the new texts whenever the files have changed. */
export type UsePem = (apply: (pem: ServerPem) => void) => void;

export type WatchedTls = {
  /** Undefined without `tls` in the configuration. */
  readonly use: UsePem | undefined;
  close(): void;
};

type Options = {
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** For tests. */
  readonly settleMs?: number;
  readonly pollMs?: number;
};

/**
 * Reads the certificate files of the configuration, and watches them: new handshakes use new files. A bad file is logged,
 * and what was there before stays. Warns once a day of certificates that end within 14 days. Rejects when the gateway's
 * own pair cannot be used at the start.
 */
export async function watchTls(
  config: Pick<Config, 'tls' | 'targets'>,
  { log, ...timing }: Options,
): Promise<WatchedTls> {
  const { tls } = config;
  const applied: ((pem: ServerPem) => void)[] = [];
  let current: ServerPem | undefined;

  const reload = async (): Promise<void> => {
    try {
      const next = tls && (await readServerPem(tls));
      if (next && JSON.stringify(next) !== JSON.stringify(current)) {
        for (const apply of applied) apply(next);
        current = next;
        log.info({ file: tls.cert }, 'new handshakes use the changed certificate files');
      }
    } catch (error) {
      log.error({ err: error }, 'the changed certificate files cannot be used; those before stay');
    }
    await checkTargets(config, log);
    await warnOfExpiry(config, log);
  };

  const files = tlsFiles(config);
  // Watched before they are read, so that no change falls between the two.
  const watching = watchFiles([...files.certificates, ...files.keys], reload, timing);
  try {
    current = tls && (await readServerPem(tls));
  } catch (error) {
    watching.close();
    throw error;
  }
  await warnOfExpiry(config, log);
  const daily = setInterval(() => void warnOfExpiry(config, log), DAY_MS).unref();
  return {
    use:
      tls &&
      ((apply) => {
        if (current) apply(current);
        applied.push(apply);
      }),
    close() {
      watching.close();
      clearInterval(daily);
    },
  };
}

/** Connections to targets read their files themselves; here somebody is told when they no longer can. */
async function checkTargets(
  { targets }: Pick<Config, 'targets'>,
  log: Options['log'],
): Promise<void> {
  const checks = [...targets.values()].map(({ name, tls }) =>
    readTargetPem(tls).catch((error: unknown) =>
      log.error(
        { err: error, target: name },
        'the certificate files of a target cannot be used; those before stay',
      ),
    ),
  );
  await Promise.all(checks);
}

async function warnOfExpiry(
  config: Pick<Config, 'tls' | 'targets'>,
  log: Options['log'],
): Promise<void> {
  for (const fact of await certificates(config)) {
    if ('problem' in fact) continue;
    const days = Math.floor((fact.notAfter.getTime() - Date.now()) / DAY_MS);
    if (days >= WARN_DAYS) continue;
    const when = days < 0 ? 'has expired' : `expires in ${days} days`;
    log.warn(fact, `a certificate ${when}: replace it; no restart is needed`);
  }
}
