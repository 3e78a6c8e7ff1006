import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { compareHeads, filedLog, readGitAnchors, storedLog } from '#src/audit/tree/anchor-check.ts';
import { anchorStates, type AnchorState } from '#src/audit/tree/anchors.ts';
import { Malformed } from '#src/audit/tree/note.ts';
import { parseTrust, type Trust } from '#src/audit/tree/trust.ts';
import { logFiles } from '#src/audit/tree/verify-files.ts';
import { gitPlace } from '#src/config/audit.ts';
import type { Config } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import { withStore } from '../store.ts';
import { printable, type Terminal } from '../terminal.ts';
import { trustLines } from './trust.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  checkpoint: {
    type: 'string',
    value: 'FILE',
    about: 'anchors: one that was laid down, as it was posted; - reads it from the input',
  },
  trust: { type: 'string', value: 'FILE', about: 'anchors: whom to believe, from audit trust' },
  tiles: {
    type: 'string',
    value: 'DIR|URL',
    about: 'anchors: compare with the log’s files, without the store',
  },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const anchorsCommand: Command = {
  usage: [
    'audit anchors [--json] [--config FILE]',
    'audit anchors --checkpoint FILE [--tiles DIR|URL --trust FILE]',
  ],
  about:
    'anchors reads back where checkpoints were laid down, and compares each with the log: every commit of a git anchor,\n' +
    'or with --checkpoint one that was posted in chat. A log that was cut off or made anew does not fit them.',
  options: OPTIONS,
  run: anchors,
};

async function anchors(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  if (values.tiles !== undefined && (values.checkpoint === undefined || values.trust === undefined))
    throw usageFailure('--tiles needs --checkpoint and --trust');
  try {
    const report = await reportOf(values, terminal);
    if (values.json) terminal.out(JSON.stringify(report, undefined, 2));
    else for (const line of linesOf(report)) terminal.out(line);
    for (const problem of values.json ? [] : report.problems)
      terminal.out(terminal.paint('red', printable(problem)));
    return report.ok ? EXIT.done : EXIT.failed;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new Failure(error.message, { cause: error });
  }
}

type AnchorsReport = {
  readonly ok: boolean;
  readonly anchors: readonly AnchorState[];
  /** Checkpoints that were compared with the log. */
  readonly compared: number;
  readonly problems: readonly string[];
};

type Values = {
  readonly checkpoint?: string;
  readonly trust?: string;
  readonly tiles?: string;
  readonly config?: string;
};

async function reportOf(values: Values, terminal: Terminal): Promise<AnchorsReport> {
  const given = values.trust === undefined ? undefined : await readFile(values.trust, 'utf8');
  const pasted =
    values.checkpoint === undefined
      ? undefined
      : { where: 'the checkpoint', note: await textOf(values.checkpoint) };
  if (values.tiles !== undefined && pasted) {
    const log = await filedLog(logFiles(values.tiles));
    const problems = await compareHeads([pasted], log, parseTrust(given ?? ''));
    return { ok: problems.length === 0, anchors: [], compared: 1, problems };
  }
  const { config } = await openConfig(values.config);
  const lines = given ?? (await trustLines(config, terminal)).join('\n');
  return withStore(config, async (db) => {
    const trust = parseTrust(lines);
    if (!pasted) return readBack(db, config, trust);
    const problems = await compareHeads([pasted], await storedLog(db), trust);
    return { ok: problems.length === 0, anchors: [], compared: 1, problems };
  });
}

const textOf = async (file: string): Promise<string> => {
  const text = file === '-' ? await readAll(process.stdin) : await readFile(file, 'utf8');
  // Whoever copies it out of a message loses the last line end.
  return text.endsWith('\n') ? text : `${text}\n`;
};

/** Reads every git anchor of the configuration, and compares it with the log in the store. */
async function readBack(db: Database, config: Config, trust: Trust): Promise<AnchorsReport> {
  const configured = config.audit?.anchors ?? [];
  const inGit = configured.flatMap((one) =>
    one.type === 'git' ? [{ name: one.name, place: gitPlace(one, config.dataDir, 'read') }] : [],
  );
  const { compared, problems } = await readGitAnchors(db, inGit, trust);
  const names = configured.map(({ name }) => name);
  return { ok: problems.length === 0, anchors: await anchorStates(db, names), compared, problems };
}

function linesOf({ anchors: states, compared, problems }: AnchorsReport): readonly string[] {
  return [
    ...states.map(({ place, size, at, reference, problem }) => {
      const laid =
        size === undefined
          ? 'nothing is laid down yet'
          : `${size} records at ${at}${reference === undefined ? '' : `, ${reference}`}`;
      return printable(
        `${place}: ${laid}${problem === undefined ? '' : `; since then: ${problem}`}`,
      );
    }),
    ...(problems.length === 0
      ? [`${compared} laid down ${compared === 1 ? 'checkpoint fits' : 'checkpoints fit'} the log`]
      : []),
  ];
}
