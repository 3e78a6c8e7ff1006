import {
  bodyOf,
  errorResponse,
  noticeResponse,
  parseRowDescription,
  ProtocolViolation,
  ServerMessage as M,
  type ErrorFields,
  type Field,
  type TransactionStatus,
} from './codec.ts';
import type { Mode } from './codec/frame.ts';
import type { Piece } from './masker.ts';
import type { ResultPlan } from './plan.ts';
import type { Run } from './recorder.ts';
import { errorMessage } from './refusal.ts';

/** One answer that the target owes us, in the order in which it was asked. */
export type Expected = {
  readonly kind: 'query' | 'parse' | 'bind' | 'describe' | 'execute' | 'close' | 'sync' | 'refusal';
  /** Results in order; a simple query has one for each of its statements. */
  readonly plans?: readonly ResultPlan[];
  readonly run?: Run;
  /** The client did not ask for it: nothing of the answer goes out. */
  readonly quiet?: boolean;
  /** Even so, an error goes out: the client's own pipeline has failed with it. */
  readonly loud?: boolean;
  /** Even so, its ReadyForQuery goes out: it ends what the client did ask for. */
  readonly readies?: boolean;
  /** Goes out in place of its CommandComplete. */
  readonly answer?: Buffer;
  /** Takes the CommandComplete of the last statement, which must not go out yet. */
  readonly keepTag?: (bytes: Buffer) => void;
  /** Sees ReadyForQuery first, and whether a limit was exceeded; true keeps it back, because more was sent behind it. */
  readonly settle?: (status: TransactionStatus, over: boolean) => boolean;
  /** Goes out in place of the target's error. */
  readonly instead?: Buffer;
  /** Sees each message of the answer. */
  readonly see?: (type: number, body: Buffer) => void;
  /** The answer is complete and was no error. */
  readonly done?: () => void;
  /** It failed, or the target skipped it after an error. */
  readonly failed?: () => void;
  /** What our own Describe of the portal said. */
  readonly fields?: () => readonly Field[] | undefined;
  /** What anybody's Describe said of it: for reading its rows, never for masking them. */
  readonly told?: () => readonly Field[] | undefined;
};

/** What the conversation must know of the answers. */
export type ResponsesHooks = {
  /** A statement is complete: its names exist, its settings hold. */
  completed(plan: ResultPlan): void;
  /** An error came inside an extended pipeline: the target skips everything until Sync. */
  failing(): void;
  ready(status: TransactionStatus): void;
  /** The target reported the value of a setting. */
  reported(): void;
  /** A Sync that was sent does not count: the pipeline goes on. */
  reopened(): void;
  /** A statement of a pipeline went beyond a limit, and the target does not know. */
  exceeded(): void;
  /** Ends what runs on the target now. */
  cancel(): void;
  /** What came cannot be let through; the session must end. */
  broken(error: Error): void;
};

type Answer = { readonly may: string; readonly ends: string };
const ANSWERS: Readonly<Record<Expected['kind'], Answer>> = {
  query: { may: 'TDCIGHWdc', ends: 'Z' },
  sync: { may: '', ends: 'Z' },
  parse: { may: '1', ends: '1' },
  bind: { may: '2', ends: '2' },
  close: { may: '3', ends: '3' },
  describe: { may: 'tTn', ends: 'Tn' },
  execute: { may: 'DCIsGHWdc', ends: 'CIs' },
  refusal: { may: '', ends: '' },
};

/** May a message of this type come in (or end) the answer? */
export function owes(kind: Expected['kind'], type: number, ending = false): boolean {
  const answer = ANSWERS[kind];
  return (ending ? answer.ends : answer.may).includes(String.fromCharCode(type));
}

export const ends = (head: Expected, type: number): boolean => owes(head.kind, type, true);

export const unasked = (what: string): ProtocolViolation =>
  new ProtocolViolation(`the target sent ${what}, which was not asked for`, '08P01', true);

/** The body of the message that a piece holds; a view. */
export const bodyIn = (piece: Piece): Buffer =>
  bodyOf({ ...piece, type: 0, first: true, last: true });

/** Rows that come now are the client's. */
export const hasResult = (head: Expected | undefined): boolean =>
  head !== undefined && head.quiet !== true && (head.kind === 'query' || head.kind === 'execute');

/** How rows are handed out: those that nothing is done to are not looked at. */
export function rowMode(head: Expected | undefined, plan: ResultPlan | undefined): Mode {
  const plain = plan !== undefined && !plan.masks && plan.rowLimit === undefined;
  if (plain && head?.quiet !== true) return 'streamed';
  return head?.see ? 'whole' : 'batched';
}

/** Is it the COPY that was judged, when this message begins one? */
export function isCopyOf(plan: ResultPlan | undefined, type: number): boolean {
  if (type === M.CopyOutResponse) return plan?.part.copy === 'out';
  if (type === M.CopyInResponse) return plan?.part.copy === 'in';
  return type !== M.CopyBothResponse;
}

/** A target that waits for COPY data ignores the Sync that came before it; the client sends another one. */
export function takeSync(queue: Expected[]): boolean {
  const at = queue.findIndex(({ kind }) => kind === 'sync');
  return at >= 0 && queue.splice(at, 1).length > 0;
}

/** Do deferred triggers and constraints speak when this is answered? `kind` is undefined when nothing is. */
export function speaksLater(
  part: ResultPlan['part'] | undefined,
  kind: Expected['kind'] = 'sync',
): boolean {
  return part ? part.control !== undefined || part.class === 'set' : kind === 'sync';
}

/** Of the plans of statements that come again: what was described last, and found right. */
const known = new WeakMap<
  ResultPlan,
  { readonly bytes: Buffer; readonly fields: readonly Field[] }
>();

/** The fields of a RowDescription, verified. */
export function described(plan: ResultPlan, body: Buffer): readonly Field[] {
  const before = known.get(plan);
  if (before?.bytes.equals(body)) return before.fields;
  const fields = parseRowDescription(body);
  verify(plan, fields);
  known.set(plan, { bytes: Buffer.from(body), fields });
  return fields;
}

/**
 * Throws when the target describes another result than was analysed: the catalog changed in between, or the session
 * resolves a name differently than the analyser. Not one row may pass then.
 */
function verify(plan: ResultPlan, fields: readonly Field[]): void {
  const { outputs } = plan.part.effect;
  if (!plan.part.returnsRows) throw new ProtocolViolation(MISMATCH, '40001', true);
  if (!outputs) return;
  const same =
    outputs.length === fields.length &&
    outputs.every((output, i) => {
      const field = fields[i];
      return (
        field !== undefined &&
        field.name === output.name &&
        field.tableOid === output.origin[0] &&
        field.attnum === output.origin[1]
      );
    });
  if (!same) throw new ProtocolViolation(MISMATCH, '40001', true);
}
const MISMATCH =
  'countersign: the target describes another result than was judged; connect again and send the statement again';

const KEPT = ['S', 'V', 'C', 'P', 's', 't', 'n'] as const;

// Errors of transaction state, of prepared statements and cursors, of rights, limits and interruption: PostgreSQL's own
// texts for them quote the statement at most, never a row. Unknown names do not belong here: `ssn::regclass` quotes a value.
const NAMES_NO_VALUE = /^(25|26|34|3B|40|42501|53|54|55|57)/;

/** May the text go out as it is? What a function raised may say anything under any code; it comes with a context. */
const quotesNothing = (fields: ErrorFields): boolean =>
  NAMES_NO_VALUE.test(fields.get('C') ?? '') && !fields.has('W');

/** An error or notice without its text, which may quote a value of a column that some rule hides. */
export function withheld(fields: ErrorFields, what: 'error' | 'notice'): Buffer {
  const kept = new Map<string, string>();
  for (const name of KEPT) {
    const value = fields.get(name);
    if (value !== undefined) kept.set(name, value);
  }
  const code = fields.get('C') ?? '';
  kept.set('M', `countersign: the text of this ${what} (${code}) is withheld`);
  kept.set(
    'H',
    'The statement touches a table with masked columns, and the text may quote a value.',
  );
  return what === 'error' ? errorResponse(kept) : noticeResponse(kept);
}

/** What the client reads of an error: ours in its place, nothing, one without its text, or (undefined) the target's own. */
export function insteadOf(
  head: Expected | undefined,
  fields: ErrorFields,
  withholds: () => boolean,
): Buffer | 'nothing' | undefined {
  if (head?.instead) return head.instead;
  if (head?.quiet && !head.loud) return 'nothing';
  return !withholds() || quotesNothing(fields) ? undefined : withheld(fields, 'error');
}

/** The error that takes the place of the row after the last one that a rule allows. */
export function overLimit(plan: ResultPlan): Buffer {
  const limit = plan.rowLimit ?? 0;
  return errorMessage('54000', {
    message: `countersign: a rule limits this result to ${rows(limit)}`,
    ...by(plan),
    hint: `Add LIMIT ${limit}, or a narrower condition.`,
  });
}

/** The error of a write that would have changed more rows than it may. */
export function overChanges(plan: ResultPlan, changed: number): Buffer {
  return errorMessage('54000', {
    message: `countersign: this may change at most ${rows(plan.changeLimit ?? 0)}, and it changed ${changed}: it was rolled back`,
    ...by(plan),
    hint: 'Nothing of it was kept. Use a narrower condition, or do it in parts.',
  });
}

const rows = (count: number): string => `${count} ${count === 1 ? 'row' : 'rows'}`;
const by = ({ limitedBy }: ResultPlan): { detail?: string } =>
  limitedBy.length === 0 ? {} : { detail: `Limited by rule ${limitedBy.join(', ')}.` };
