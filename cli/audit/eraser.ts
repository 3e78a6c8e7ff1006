import { readFile } from 'node:fs/promises';
import { ErasureRefused } from '#src/audit/erasure/plan.ts';
import { HoldRefused } from '#src/audit/erasure/holds.ts';
import { removesChunks } from '#src/audit/erasure/recordings.ts';
import type { EraseParts } from '#src/audit/erasure/job.ts';
import type { AuditLog } from '#src/audit/log.ts';
import type { Config } from '#src/config/config.ts';
import { commandEnvironment } from '#src/config/env.ts';
import { openDirectory } from '#src/identity/directory.ts';
import { peopleOf, personKey } from '#src/identity/people.ts';
import { openTokens } from '#src/identity/tokens.ts';
import { type Database, openDatabase } from '#src/store/database.ts';
import { excessRights } from '#src/store/rights.ts';
import type { Options } from '../command.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { withLog } from '../store.ts';

/** Who acts says so with a token, so that the record can name them. */
export const WHO_OPTION = {
  'token-file': {
    type: 'string',
    value: 'FILE',
    about:
      'a token with the scope decide of a member of security: who acts; default: COUNTERSIGN_TOKEN',
  },
} as const satisfies Options;

const SECURITY = 'security';

/** Runs `work` as the owner of the store, with the command line's own log. */
export async function withEraser<T>(
  config: Config,
  work: (parts: EraseParts, db: Database) => Promise<T>,
): Promise<T> {
  try {
    return await withLog(config, async (db, audit, { url, ownerUrl = url }) => {
      const owner = openDatabase(ownerUrl, { max: 3, onError: () => undefined });
      try {
        await demandOwner(owner);
        const configured = [...peopleOf(config).keys()];
        const removeChunks = removesChunks(config.recordings?.folder);
        return await work({ owner, audit, configured, removeChunks }, db);
      } finally {
        await owner.close();
      }
    });
  } catch (error) {
    if (!(error instanceof ErasureRefused || error instanceof HoldRefused)) throw error;
    throw new Failure(error.message, { exit: EXIT.refused, cause: error });
  }
}

/** The role that the gateway runs as cannot erase, and would only fail half-way. */
async function demandOwner(owner: Database): Promise<void> {
  if ((await excessRights(owner)).some((what) => /superuser|owns/u.test(what))) return;
  throw usageFailure(
    'erasing needs the role that owns the tables of the store',
    'name it as store.owner in the configuration',
  );
}

/** Key of the member of security whose token this is. Rejects with `Failure`. */
export async function whoActs(
  config: Config,
  { db, audit }: { readonly db: Database; readonly audit: AuditLog },
  file: string | undefined,
  env = commandEnvironment(),
): Promise<string> {
  const token = file === undefined ? env.token : await readToken(file);
  if (token === undefined || token === '')
    throw usageFailure(
      'who acts?',
      'pass --token-file FILE or set COUNTERSIGN_TOKEN: a token with the scope decide (countersign token issue EMAIL --scope decide)',
    );
  const info = await (await openTokens(db, audit)).check(token, 'decide');
  const directory = openDirectory({
    db,
    notices: { on: () => () => undefined },
    configured: () => peopleOf(config),
  });
  const person = info && info.agent === undefined ? await directory.find(info.person) : undefined;
  if (!info || !person || person.machine === true || !person.groups.includes(SECURITY))
    throw new Failure('this is not a live token, with the scope decide, of a member of security', {
      exit: EXIT.refused,
      hint: 'a member of security issues one in the console, or the operator does: countersign token issue EMAIL --scope decide',
    });
  return personKey(person.email);
}

async function readToken(path: string): Promise<string> {
  return (
    await readFile(path, 'utf8').catch((cause: unknown) => {
      throw usageFailure(`${path} cannot be read`, String(cause));
    })
  ).trim();
}

/** ISO 8601 of a day (`2026-01-31`, in UTC) or a time. Throws `Failure`. */
export function timeOf(text: string | undefined, option: string): string | undefined {
  if (text === undefined) return undefined;
  const time = /^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2}))?$/u.test(text)
    ? new Date(text)
    : new Date(Number.NaN);
  if (Number.isNaN(time.getTime()))
    throw usageFailure(
      `--${option} ${text} is not a time`,
      'write 2026-01-31, or 2026-01-31T12:00:00Z',
    );
  return time.toISOString();
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu;

export function idOf(text: string | undefined, option: string): string | undefined {
  if (text !== undefined && !UUID.test(text))
    throw usageFailure(
      `--${option} ${text} is not an id`,
      'copy it from the console or from audit erase',
    );
  return text?.toLowerCase();
}
