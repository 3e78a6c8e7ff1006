import { maySet } from '#src/statement/sql/settings.ts';
import { Fatal } from './fatal.ts';

/** Pinned at the target anyway, so not passed on: a client that asks for it gets what it asks for. */
const PINNED: ReadonlyMap<string, RegExp> = new Map([
  // SQL_ASCII is what psql asks for in the C locale, and means "as the bytes are".
  ['client_encoding', /^(utf-?8|unicode|sql_ascii)$/],
  ['standard_conforming_strings', /^(on|true|yes|1)$/],
]);

/** Settings of our own, without their prefix. */
const OWN: ReadonlySet<string> = new Set(['reason', 'purpose']);
const OWN_PREFIX = 'countersign.';

export type Settings = {
  /** For the target's startup message, as the client spelled them. */
  readonly target: ReadonlyMap<string, string>;
  /** `reason`, `purpose`. */
  readonly countersign: ReadonlyMap<string, string>;
  /** Everything that the client wrote for the server, untouched: for who may set anything. */
  readonly untouched: ReadonlyMap<string, string>;
  /** Why who may not set anything is refused: the first that cannot be set, or a replication connection. */
  readonly refused?: Fatal;
};

/** Sorts the startup packet's settings. */
export function readSettings(parameters: ReadonlyMap<string, string>): Settings {
  const untouched = new Map([...parameters].filter(([name]) => isForServer(name)));
  try {
    return { ...sorted(parameters), untouched };
  } catch (error) {
    if (!(error instanceof Fatal)) throw error;
    return { target: new Map(), countersign: new Map(), untouched, refused: error };
  }
}

const isForServer = (name: string): boolean =>
  name !== 'user' && name !== 'database' && !name.startsWith('_pq_.');

/** Throws Fatal naming the first that cannot be set. */
function sorted(parameters: ReadonlyMap<string, string>): Omit<Settings, 'untouched'> {
  if (asksReplication(parameters)) throw noReplication();
  const target = new Map<string, string>();
  const countersign = new Map<string, string>();
  const given = [...parseOptions(parameters.get('options') ?? ''), ...parameters];
  for (const [spelled, value] of given) {
    const name = spelled.toLowerCase();
    if (NOT_SETTINGS.has(name) || name.startsWith('_pq_.')) continue;
    if (name.startsWith(OWN_PREFIX)) countersign.set(ownName(name), value);
    else if (!isPinned(name, value)) {
      if (!maySet(name, value)) throw notSettable(spelled, value);
      target.set(name, value);
    }
  }
  return { target, countersign };
}

/** PostgreSQL reads "database" and every spelling of true; only a clear no is a no here. */
export const asksReplication = (parameters: ReadonlyMap<string, string>): boolean =>
  !/^(|0|f|false|n|no|of|off)$/i.test(parameters.get('replication') ?? '');

/** What a replication connection streams can be neither judged nor masked. */
export const noReplication = (): Fatal =>
  new Fatal('0A000', 'replication connections do not go through the gateway', {
    hint: 'They are for people whom no rule limits, on a target with replication: true in countersign.yaml.',
  });

const NOT_SETTINGS: ReadonlySet<string> = new Set(['user', 'database', 'options', 'replication']);

function ownName(name: string): string {
  const own = name.slice(OWN_PREFIX.length);
  if (!OWN.has(own))
    throw new Fatal('42704', `unrecognized configuration parameter "${name}"`, {
      hint: 'There are countersign.reason and countersign.purpose.',
    });
  return own;
}

function isPinned(name: string, value: string): boolean {
  return PINNED.get(name)?.test(value.toLowerCase().replaceAll("'", '')) ?? false;
}

function notSettable(name: string, value: string): Fatal {
  const hint =
    name.toLowerCase() === 'client_encoding'
      ? 'Use client_encoding=UTF8.'
      : 'Remove it from the connection string, PGOPTIONS or the driver’s settings.';
  return new Fatal('22023', `the gateway does not let a client set "${name}" to "${value}"`, {
    hint,
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
