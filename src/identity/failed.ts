import type { AuditLog } from '../audit/log.ts';

/** Strangers must not be able to fill the log: sixty records a minute say as much as more. */
const A_MINUTE = 60;

type Failed = {
  /** Who they claim to be, if they say. */
  readonly person?: string;
  readonly via: string;
  readonly provider?: string;
  /** For programs, where there is one. */
  readonly code?: string;
  readonly why: string;
  /** Address. */
  readonly client: string;
};

/** Records that a token proved nothing. Nobody waits for it. */
export function recordsFailures(audit: Pick<AuditLog, 'later'>): (failed: Failed) => void {
  let minute = 0;
  let spent = 0;
  return ({ person, ...body }) => {
    const now = Math.floor(performance.now() / 60_000);
    if (now !== minute) [minute, spent] = [now, 0];
    spent += 1;
    if (spent > A_MINUTE) return;
    audit.later({
      kind: 'sign-in',
      ...(person !== undefined && { person: person.slice(0, 320) }),
      body: { ...body, action: 'failed' },
    });
  };
}
