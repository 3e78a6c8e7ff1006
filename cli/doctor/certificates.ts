import type { Config } from '#src/config/config.ts';
import {
  certificates,
  readServerPem,
  readTargetPem,
  type CertificateFact,
} from '#src/config/tls.ts';
import { failed, type Check } from './check.ts';

const DAY_MS = 86_400_000;
const WARN_DAYS = 14;

/** Every certificate of the configuration is in date, and each key belongs to its certificate. */
export async function checkCertificates(
  config: Pick<Config, 'tls' | 'targets'>,
  now = Date.now(),
): Promise<readonly Check[]> {
  const checks = once(await certificates(config)).map((fact): Check => {
    if ('problem' in fact)
      return {
        what: 'certificate',
        state: 'fail',
        found: fact.problem,
        next: `write ${fact.file}`,
      };
    const days = Math.floor((fact.notAfter.getTime() - now) / DAY_MS);
    return {
      what: `certificate ${fact.subject}`,
      state: days < 0 ? 'fail' : days < WARN_DAYS ? 'warn' : 'ok',
      found: days < 0 ? 'it has expired' : `it is good for ${days} days`,
      ...(days < WARN_DAYS && { next: `replace ${fact.file}; no restart is needed` }),
    };
  });
  const { tls, targets } = config;
  const readings = [
    ...(tls ? [readServerPem(tls)] : []),
    ...[...targets.values()].map((target) => readTargetPem(target.tls)),
  ];
  for (const reading of await Promise.allSettled(readings))
    if (reading.status === 'rejected')
      checks.push(failed('certificate files', reading.reason, 'key and certificate come together'));
  return checks;
}

/** One certificate may stand in several files: an authority beside what it has signed, or for several targets. */
function once(facts: readonly CertificateFact[]): readonly CertificateFact[] {
  const known = new Map<string, CertificateFact>();
  for (const fact of facts) {
    const key = 'problem' in fact ? fact.file : `${fact.subject}\0${fact.notAfter.getTime()}`;
    const before = known.get(key);
    const file = before ? `${before.file} and ${fact.file}` : fact.file;
    known.set(key, before?.file === fact.file ? before : { ...fact, file });
  }
  return [...known.values()];
}
