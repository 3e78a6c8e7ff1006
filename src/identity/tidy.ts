import type { Database } from '../store/database.ts';
import type { SignInStore } from './sign-ins.ts';

const EVERY_MS = 60_000;
/** Ended rows are kept this long, so that people and operators find what the records speak of. */
const KEPT = "interval '30 days'";

/** In this order: a token outlives what was made with it. What still hangs on a token keeps it. */
const EXPIRED: readonly string[] = [
  `delete from countersign.client_certificate where expires_at < clock_timestamp() - ${KEPT}`,
  `delete from countersign.device_login where expires_at < clock_timestamp() - interval '1 hour'`,
  `delete from countersign.confirmation where expires_at < clock_timestamp() - interval '1 hour'`,
  `delete from countersign.token t where t.expires_at < clock_timestamp() - ${KEPT}
     and not exists (select from countersign.token c where c.parent = t.id)
     and not exists (select from countersign.client_certificate c where c.token = t.id)
     and not exists (select from countersign.device_login d where d.parent = t.id)
     and not exists (select from countersign.confirmation c where c.parent = t.id)`,
  'delete from countersign.seen_once where until < clock_timestamp()',
  'delete from countersign.recheck where until < clock_timestamp()',
  'delete from countersign.saml_flow where expires_at < clock_timestamp()',
  `delete from countersign.saml_used where expires_at < clock_timestamp() - interval '1 hour'`,
  `delete from countersign.device_guess where since < clock_timestamp() - ${KEPT}`,
];

type TidyParts = {
  readonly db: Database;
  readonly signIns: Pick<SignInStore, 'endOverdue'>;
  readonly onError: (error: unknown) => void;
};

/** Ends the sign-ins whose time is over, each with its record, and deletes rows that have expired. */
export async function tidy({ db, signIns }: Omit<TidyParts, 'onError'>): Promise<void> {
  await signIns.endOverdue();
  // oxlint-disable-next-line no-await-in-loop -- one after the other, as their references ask
  for (const sql of EXPIRED) await db.pool.query(sql);
}

/** Does so every minute; any number of gateways may. Returns how to stop. */
export function startTidy(parts: TidyParts): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(() => tidy(parts)).catch(parts.onError);
  }, EVERY_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    return running;
  };
}
