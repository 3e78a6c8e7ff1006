import { Fatal } from './fatal.ts';

/**
 * What a client may set for its session at the start. Whatever is not here is refused by name, because a setting can
 * change whose rights count (role), what a statement means, or what is logged where.
 */
export const SETTABLE: ReadonlySet<string> = new Set([
  'application_name',
  'bytea_output',
  'datestyle',
  'default_transaction_deferrable',
  'default_transaction_isolation',
  'default_transaction_read_only',
  'extra_float_digits',
  'geqo',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
  'intervalstyle',
  'jit',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'lock_timeout',
  'search_path',
  'statement_timeout',
  'timezone',
  'transaction_timeout',
]);

/** Settings that may only have these values. The first two are pinned at the target, so they are not passed on. */
const LIMITED: ReadonlyMap<string, RegExp> = new Map([
  // SQL_ASCII is what psql asks for in the C locale, and means "as the bytes are".
  ['client_encoding', /^(utf-?8|unicode|sql_ascii)$/],
  ['standard_conforming_strings', /^(on|true|yes|1)$/],
  // Lower levels carry the server's own log to the client, values and plans included.
  ['client_min_messages', /^(notice|warning|error)$/],
]);
const PINNED: ReadonlySet<string> = new Set(['client_encoding', 'standard_conforming_strings']);

/** Settings of our own, without their prefix. */
const OWN: ReadonlySet<string> = new Set(['reason', 'purpose']);
const OWN_PREFIX = 'countersign.';

export type Settings = {
  /** For the target's startup message, as the client spelled them. */
  readonly target: ReadonlyMap<string, string>;
  /** `reason`, `purpose`. */
  readonly countersign: ReadonlyMap<string, string>;
};

/** Sorts the startup packet's settings. Throws Fatal naming the first that cannot be set. */
export function readSettings(parameters: ReadonlyMap<string, string>): Settings {
  const target = new Map<string, string>();
  const countersign = new Map<string, string>();
  const given = [...parseOptions(parameters.get('options') ?? ''), ...parameters];
  for (const [spelled, value] of given) {
    const name = spelled.toLowerCase();
    if (NOT_SETTINGS.has(name) || name.startsWith('_pq_.')) continue;
    if (name.startsWith(OWN_PREFIX)) countersign.set(ownName(name), value);
    else if (!SETTABLE.has(name) && !LIMITED.has(name)) throw notSettable(spelled);
    else {
      checkLimited(name, value);
      if (!PINNED.has(name)) target.set(name, value);
    }
  }
  return { target, countersign };
}

const NOT_SETTINGS: ReadonlySet<string> = new Set(['user', 'database', 'options', 'replication']);

function ownName(name: string): string {
  const own = name.slice(OWN_PREFIX.length);
  if (!OWN.has(own))
    throw new Fatal('42704', `unrecognized configuration parameter "${name}"`, {
      hint: 'There are countersign.reason and countersign.purpose.',
    });
  return own;
}

function checkLimited(name: string, value: string): void {
  const allowed = LIMITED.get(name);
  if (!allowed || allowed.test(value.toLowerCase().replaceAll("'", ''))) return;
  throw new Fatal('22023', `the gateway cannot work with ${name} "${value}"`, {
    hint:
      name === 'client_encoding' ? 'Use client_encoding=UTF8.' : `Leave ${name} at its default.`,
  });
}

function notSettable(name: string): Fatal {
  return new Fatal('42501', `the gateway does not let a client set "${name}"`, {
    hint: 'Remove it from the connection string, PGOPTIONS or the driver’s settings.',
  });
}

/** PGOPTIONS as PostgreSQL reads it: blanks separate, a backslash takes the next character as it is. */
export function parseOptions(options: string): [name: string, value: string][] {
  const words = splitWords(options);
  const settings: [string, string][] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const setting = word === '-c' ? words[(at += 1)] : /^(?:-c|--)(.+)$/s.exec(word)?.[1];
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(setting ?? '') ?? [];
    if (name === undefined || value === undefined)
      throw new Fatal('42601', `invalid command-line argument for server process: ${word}`, {
        hint: 'In options, the gateway takes -c name=value and --name=value.',
      });
    settings.push([name.replaceAll('-', '_'), value]);
  }
  return settings;
}

function splitWords(options: string): string[] {
  const words = options.match(/(?:\\.|[^\\\s])+/gs) ?? [];
  return words.map((word) => word.replaceAll(/\\(.)/gs, '$1'));
}
