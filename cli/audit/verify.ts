import { readFile } from 'node:fs/promises';
import type { Checkpoint } from '#src/audit/tree/checkpoint.ts';
import { Malformed, parseVkey, type NoteKey } from '#src/audit/tree/note.ts';
import { recordProof, verifyProof } from '#src/audit/tree/record-proof.ts';
import { parseTrust, type Trust } from '#src/audit/tree/trust.ts';
import { logFiles, verifyFiles } from '#src/audit/tree/verify-files.ts';
import { verifyTree, type TreeReport } from '#src/audit/tree/verify-tree.ts';
import { verifyLog, type Verification, type WriterReport } from '#src/audit/verify.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import { withStore } from '../store.ts';
import { renderTable } from '../table.ts';
import { printable, type Terminal } from '../terminal.ts';
import { verifyBundle } from './bundle.ts';
import { readSeen } from './seen.ts';
import { trustLines } from './trust.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  trust: {
    type: 'string',
    value: 'FILE',
    about: 'verify: whom to believe, from audit trust; default for the store: what is configured',
  },
  record: { type: 'string', value: 'ID', about: 'verify: only this record' },
  proof: { type: 'string', value: 'FILE', about: 'verify: a proof file, without the store' },
  bundle: {
    type: 'string',
    value: 'FILE',
    about: 'verify: an export with proofs (audit search --with-proofs), without the store',
  },
  tiles: {
    type: 'string',
    value: 'DIR|URL',
    about: 'verify: the log’s files or the address that serves them, without the store',
  },
  seen: {
    type: 'string',
    multiple: true,
    value: 'FILE|DIR|URL',
    about: 'verify: a checkpoint, proof or mirror that you kept: the log must continue it',
  },
  writers: {
    type: 'string',
    value: 'FILE',
    about:
      'verify: keys of writers that you kept, as audit writers prints them: no chain may have another',
  },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const verifyCommand: Command = {
  usage: [
    'audit verify [--trust FILE] [--writers FILE] [--record ID | --seen FILE|DIR|URL] [--config FILE]',
    'audit verify --proof FILE --trust FILE',
    'audit verify --bundle FILE --trust FILE',
    'audit verify --tiles DIR|URL --trust FILE [--seen FILE|DIR|URL]',
  ],
  about:
    'verify walks the hash chain of every writer with its signatures, builds the tree anew from the records, and compares it\n' +
    'with what was signed. The first bad record of each writer is named, and when it was silent. It only reads. With --proof or --tiles it needs neither the\n' +
    'store nor a configuration. --seen finds a log that was set back or made anew, or that others are shown another view of.',
  options: OPTIONS,
  run: verify,
};

/** How many of a writer's silences are shown one by one. */
const SILENCES = 5;

type Asked = {
  readonly trust?: string;
  readonly seen?: readonly string[];
  readonly writers?: string;
  readonly json?: boolean;
};

async function verify(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const { proof, tiles, record, bundle } = values;
  if ([proof, tiles, record, bundle].filter((one) => one !== undefined).length > 1)
    throw usageFailure('--proof, --bundle, --tiles and --record exclude each other');
  if (values.seen && (proof ?? record) !== undefined)
    throw usageFailure('--seen is for the whole log, not for one record');
  try {
    if (proof !== undefined) return await proven(await readText(proof), values, terminal);
    if (bundle !== undefined) return await bundled(bundle, values, terminal);
    if (tiles !== undefined) return await fromFiles(tiles, values, terminal);
    return await fromStore(values, record, terminal);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new Failure(error.message, { cause: error });
  }
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw usageFailure(`${path} cannot be read`, String(cause));
  });
}

async function givenTrust({ trust }: Asked): Promise<Trust> {
  if (trust === undefined)
    throw usageFailure(
      'whom to believe?',
      'pass --trust FILE, as countersign audit trust prints it',
    );
  return parseTrust(await readText(trust));
}

async function seenBy({ seen = [] }: Asked, trust: Trust | undefined): Promise<Checkpoint[]> {
  if (seen.length === 0) return [];
  if (!trust) throw usageFailure('whom to believe?', 'pass --trust FILE');
  return Promise.all(seen.map((place) => readSeen(place, trust)));
}

async function proven(text: string, asked: Asked, terminal: Terminal): Promise<number> {
  return showProof(verifyProof(text, await givenTrust(asked)), asked, terminal);
}

async function bundled(path: string, asked: Asked, terminal: Terminal): Promise<number> {
  const report = await verifyBundle(path, await givenTrust(asked));
  const ok = report.wrong === 0;
  if (asked.json) terminal.out(JSON.stringify({ ok, ...report }, undefined, 2));
  else {
    for (const problem of report.problems) terminal.out(terminal.paint('red', printable(problem)));
    const words = `${report.records} records, every one as it was signed`;
    if (ok) terminal.out(terminal.paint('green', words));
    else
      terminal.out(`${report.records} records are as they were signed; ${report.wrong} problems`);
  }
  return ok ? EXIT.done : EXIT.failed;
}

function showProof(
  report: ReturnType<typeof verifyProof>,
  { json }: Asked,
  terminal: Terminal,
): number {
  const { leaf, index, size, origin, body, problems } = report;
  const ok = problems.length === 0;
  if (json) terminal.out(JSON.stringify({ ok, ...report }, undefined, 2));
  else {
    terminal.out(`record ${leaf.id}: ${leaf.kind}, written by ${leaf.writer} at ${leaf.time}`);
    if (body !== undefined)
      for (const line of JSON.stringify(body, undefined, 2).split('\n'))
        terminal.out(printable(line));
    for (const problem of problems) terminal.out(terminal.paint('red', printable(problem)));
    if (ok)
      terminal.out(terminal.paint('green', `entry ${index} of the ${size} that ${origin} signed`));
  }
  return ok ? EXIT.done : EXIT.failed;
}

async function fromFiles(place: string, asked: Asked, terminal: Terminal): Promise<number> {
  const trust = await givenTrust(asked);
  const report = await verifyFiles(logFiles(place), trust, {
    seen: await seenBy(asked, trust),
    onProgress: progress(terminal, 'verifying'),
  });
  terminal.status(undefined);
  const ok = report.problems.length === 0;
  if (asked.json) terminal.out(JSON.stringify({ ok, ...report }, undefined, 2));
  else {
    for (const { writer, seq, hash } of report.writers)
      terminal.out(`${printable(writer)}: ${seq} records, head ${hash}`);
    for (const problem of report.problems) terminal.out(terminal.paint('red', printable(problem)));
    if (ok)
      terminal.out(
        terminal.paint('green', `${report.size} records, every one as ${report.origin} signed it`),
      );
  }
  return ok ? EXIT.done : EXIT.failed;
}

const progress = (terminal: Terminal, what: string) => (records: number) =>
  terminal.status(`${what}: ${records.toLocaleString('en')} records`);

async function fromStore(
  asked: Asked & { readonly config?: string },
  record: string | undefined,
  terminal: Terminal,
): Promise<number> {
  const { config } = await openConfig(asked.config);
  const trust = await (asked.trust === undefined
    ? config.audit && trustLines(config, terminal).then((lines) => parseTrust(lines.join('\n')))
    : givenTrust(asked));
  if (record !== undefined && trust) {
    const text = await withStore(config, (db) => recordProof(db, record));
    if (text === undefined)
      throw new Failure(`no signed checkpoint holds a record ${printable(record)}`);
    return showProof(verifyProof(text, trust), asked, terminal);
  }
  const seen = await seenBy(asked, trust);
  const keys = asked.writers === undefined ? undefined : await readKeys(asked.writers);
  const [chains, tree] = await withStore(config, async (db) => {
    const walked = await verifyLog(db, {
      onProgress: progress(terminal, 'chains'),
      ...(keys && { keys }),
    });
    return [
      walked,
      await verifyTree(db, {
        ...(trust && { trust }),
        seen,
        onProgress: progress(terminal, 'tree'),
      }),
    ] as const;
  });
  terminal.status(undefined);
  const ok = chains.ok && tree.problems.length === 0;
  if (asked.json) terminal.out(JSON.stringify({ ...chains, ok, tree }, undefined, 2));
  else for (const line of reportLines(chains, tree, terminal)) terminal.out(line);
  return ok ? EXIT.done : EXIT.failed;
}

/** One key a line; `#` begins a comment. */
async function readKeys(path: string): Promise<readonly NoteKey[]> {
  const lines = (await readText(path)).split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map(parseVkey);
}

/** One row a writer, then what is wrong, in words. */
export function reportLines(
  result: Verification,
  tree: TreeReport,
  terminal: Pick<Terminal, 'paint' | 'width'>,
): string[] {
  const names = ['writer', 'records', 'erased', 'last', 'head'];
  const table = renderTable(
    names.map((name) => ({
      name,
      numeric: name === 'records' || name === 'erased' || name === 'last',
    })),
    result.writers.map((report) => [
      report.writer,
      String(report.records),
      String(report.erased),
      String(report.head?.seq ?? 0),
      report.head?.hash ?? '',
    ]),
    { width: terminal.width, head: (text) => terminal.paint('bold', text), none: (text) => text },
  );
  const bad = result.writers.flatMap(badLine);
  const wrong = [...bad, ...result.erasures.map(printable), ...tree.problems.map(printable)];
  if (tree.problems.length > 0 && bad.length === 0)
    return [...table, '', ...wrong, terminal.paint('red', 'the tree is not as it was signed')];
  const verdict = result.ok
    ? terminal.paint('green', `${result.records} records, every one in its place and unchanged`)
    : terminal.paint(
        'red',
        bad.length === 0
          ? 'what is gone is not what the records of erasures say'
          : badWriters(result),
      );
  return [...table, '', ...wrong, ...silenceLines(result), ...treeLines(tree), verdict];
}

function badWriters({ writers }: Verification): string {
  const bad = writers.flatMap((report) => report.bad ?? []);
  const silent = bad.every(({ problem }) => problem === 'silent');
  return `${silent ? '' : 'the log of '}${bad.length} of ${writers.length} writers is ${silent ? 'silent' : 'not as it was written'}`;
}

/** What is no proof of anything, and worth a look: a crash, an outage of the store, a machine that slept. */
function silenceLines({ writers }: Verification): string[] {
  return writers.flatMap(({ writer, silences = [] }) => {
    const shown = silences.slice(-SILENCES).map(({ from, to, seq, why }) => {
      const until = to === undefined ? '' : ` to ${to}`;
      return `${printable(writer)}: silent from ${from}${until}, after record ${seq}: ${why}`;
    });
    const more = silences.length - shown.length;
    return more > 0 ? [`${printable(writer)}: silent ${more} times before`, ...shown] : shown;
  });
}

function treeLines({ size, waiting, signed }: TreeReport): string[] {
  if (size === 0) return [];
  const more = waiting > 0 ? `, ${waiting} not yet` : '';
  const witnessed = signed?.witnessed ? ' and witnessed' : '';
  const until = signed ? `${signed.size} of them signed${witnessed}` : 'none of them signed';
  return [`${size} records are in the tree${more}; ${until}`];
}

function badLine({ writer, bad }: WriterReport): string[] {
  if (!bad) return [];
  const record = bad.record === undefined ? '' : ` (${bad.record})`;
  return [
    `${printable(writer)}: record ${bad.seq}${record}: ${bad.problem}: ${printable(bad.detail)}`,
  ];
}
