import { bind, close, execute, flush, parse, parseDataRow, ServerMessage, sync } from './codec.ts';
import type { Run } from './recorder.ts';
import type { Responses } from './responses.ts';
import type { TargetConnection } from './target.ts';

/** What the session must know of itself, as the target has it: SET, RESET, ROLLBACK and SET LOCAL all change it. */
export type SessionSettings = {
  readonly searchPath: string;
  readonly reason: string | undefined;
  readonly purpose: string | undefined;
  /** Every setting that changes what a statement means, in one text for the binding. */
  readonly meaning: string;
};

/** The only statement of the gateway's own: constant, over built-in functions, recorded like every other. */
export const SETTINGS_STATEMENT = `select pg_catalog.current_setting('search_path'),
 pg_catalog.current_setting('countersign.reason', true), pg_catalog.current_setting('countersign.purpose', true),
 pg_catalog.concat_ws('|', pg_catalog.current_setting('search_path'), pg_catalog.current_setting('role'),
  pg_catalog.current_setting('session_authorization'), pg_catalog.current_setting('DateStyle'),
  pg_catalog.current_setting('IntervalStyle'), pg_catalog.current_setting('TimeZone'),
  pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.current_setting('client_encoding'),
  pg_catalog.current_setting('row_security'), pg_catalog.current_setting('transaction_read_only'),
  pg_catalog.current_setting('transaction_isolation'))`;

const NAME = 'countersign settings';

/**
 * Asks the target itself, between two messages of the client: with Flush inside a pipeline, so that nothing is
 * committed by it, else with Sync. Resolves undefined when the pipeline has already failed.
 */
export function readSettings(
  target: TargetConnection,
  responses: Responses,
  run: Run,
  inPipeline: boolean,
): Promise<SessionSettings | undefined> {
  return new Promise((resolve) => {
    let row: readonly (Buffer | null)[] = [];
    const failed = (): void => resolve(undefined);
    const quiet = { quiet: true, loud: inPipeline, failed };
    responses.expect({ kind: 'parse', ...quiet });
    responses.expect({ kind: 'bind', ...quiet, run });
    responses.expect({
      kind: 'execute',
      ...quiet,
      run,
      see: (type, body) => {
        if (type === ServerMessage.DataRow) row = parseDataRow(body);
      },
    });
    responses.expect({ kind: 'close', ...quiet });
    const done = (): void => resolve(settingsOf(row));
    responses.expect({ kind: 'close', ...quiet, ...(inPipeline && { done }) });
    target.run(
      run.permit,
      Buffer.concat([
        parse(NAME, SETTINGS_STATEMENT),
        bind({ portal: NAME, statement: NAME, formats: [], values: [], resultFormats: [] }),
        execute(NAME),
        close('P', NAME),
        close('S', NAME),
        inPipeline ? flush() : sync(),
      ]),
    );
    if (!inPipeline) responses.expect({ kind: 'sync', quiet: true, done });
  });
}

function settingsOf(row: readonly (Buffer | null)[]): SessionSettings | undefined {
  const [searchPath, reason, purpose, meaning] = row.map((cell) => cell?.toString('utf8'));
  if (searchPath === undefined || meaning === undefined) return undefined;
  return {
    searchPath,
    reason: reason?.trim() ? reason : undefined,
    purpose: purpose?.trim() ? purpose : undefined,
    meaning,
  };
}

const MEANING = 11;

/**
 * The session's settings of `meaning` as parameters of a startup message; undefined when they cannot be told apart, or
 * when the session acts as another role than it logged in with.
 */
export function sessionParameters(
  meaning: string,
  user: string,
): ReadonlyMap<string, string> | undefined {
  const values = meaning.split('|');
  const [searchPath, role, authorization, dateStyle, intervalStyle, timeZone] = values;
  const rowSecurity = values[8];
  if (values.length !== MEANING || role !== 'none' || authorization !== user) return undefined;
  return new Map([
    ['search_path', searchPath ?? ''],
    ['DateStyle', dateStyle ?? ''],
    ['IntervalStyle', intervalStyle ?? ''],
    ['TimeZone', timeZone ?? ''],
    ['row_security', rowSecurity ?? ''],
  ]);
}
