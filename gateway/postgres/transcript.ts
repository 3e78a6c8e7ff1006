import type { RecordVerdict } from '#src/audit/log.ts';
import { HIDDEN } from '#src/recording/clean.ts';
import type { Digest, RecordingLimit, Said, SessionRecording } from '#src/recording/port.ts';
import type { RecordingTerms } from '#src/policy/verdict.ts';
import { parseError, ServerMessage as M, type ErrorFields, type Field } from './codec.ts';
import type { Piece } from './masker.ts';
import type { ResultPlan } from './plan.ts';
import type { Run } from './recorder.ts';
import { Tape, type Recorded } from './tape.ts';

const HEADER = 5;

/** What a client is told, on its way into the recording of its session. Nothing here waits, and nothing throws. */
export class Transcript {
  readonly #recording: SessionRecording;
  readonly #limit: RecordingLimit;
  readonly #tapes = new WeakMap<Run, Tape>();
  readonly #recorded = new WeakMap<ResultPlan, Recorded>();
  #tape: Tape | undefined;
  #run: Run | undefined;
  /** Nothing of what the target says now may be read by others. */
  #hides = false;
  /** What is being judged, or was judged last: the gateway's own messages are about it. */
  #judged: string | undefined;
  /** What was judged last, if it waits. */
  #held: { readonly statement: string; readonly text: string } | undefined;
  #sent: { bytes: number; readonly digest: Digest } | undefined;

  constructor(recording: SessionRecording, limit: RecordingLimit) {
    this.#recording = recording;
    this.#limit = limit;
  }

  /** Something new comes from the client. */
  asked(): void {
    this.#judged = undefined;
  }

  judged(statement: string, text: string, verdict: RecordVerdict): void {
    this.#judged = statement;
    this.#held = verdict === 'hold' ? { statement, text } : undefined;
    this.#recording.statement({ id: statement, text, verdict });
  }

  /** It may run now; of one that was held, that is news. */
  permitted(statement: string): void {
    if (this.#held?.statement === statement) this.judged(statement, this.#held.text, 'approved');
  }

  /** What comes now belongs to this; without a plan it is no result of the client's. */
  begin(run: Run | undefined, plan: ResultPlan | undefined, fields?: readonly Field[]): void {
    this.beginAs(run, plan && this.#recordedOf(plan), fields);
  }

  beginAs(run: Run | undefined, recorded: Recorded | undefined, fields?: readonly Field[]): void {
    this.#run = run;
    this.#tape = undefined;
    if (!run || !recorded) return;
    this.#hides = recorded.hidden === 'all';
    let tape = this.#tapes.get(run);
    if (!tape) this.#tapes.set(run, (tape = new Tape(this.#recording, run.permit.statement)));
    this.#tape = tape;
    tape.begin(recorded, fields);
  }

  described(fields: readonly Field[]): void {
    this.#tape?.described(fields);
  }

  /** Rows or COPY data that go out. */
  data({ buffer, start, end }: Piece, begun?: number): void {
    this.#tape?.push(buffer, start, end, begun);
  }

  completed(tag: string, rows: number | undefined): void {
    this.#tape?.completed({ tag, rows: rows ?? 0, ms: this.#run?.tookMs ?? 0 });
  }

  /** An error or notice of the target, as it goes out. */
  said(kind: 'error' | 'notice', fields: ErrorFields): void {
    if (kind === 'error') this.#tape?.cut();
    const said = saidOf(fields);
    // It may quote a value, as its rows may hold one.
    const told = this.#hides ? { ...said, message: HIDDEN, detail: HIDDEN, hint: HIDDEN } : said;
    this.#recording[kind](this.#run?.permit.statement, told);
  }

  /** Messages of the gateway's own. */
  told(bytes: Buffer): void {
    for (let at = 0; at + HEADER <= bytes.length; at += 1 + bytes.readInt32BE(at + 1)) {
      const type = bytes[at];
      if (type !== M.ErrorResponse && type !== M.NoticeResponse) continue;
      const end = at + 1 + bytes.readInt32BE(at + 1);
      const said = saidOf(parseError(bytes.subarray(at + HEADER, end)));
      const kind = type === M.ErrorResponse ? 'error' : 'notice';
      if (kind === 'error') this.#tape?.cut();
      this.#recording[kind](this.#run?.permit.statement ?? this.#judged, said);
    }
  }

  /** COPY data from the client: counted and digested, since it may hold what nobody else may read. */
  sent(bytes: Buffer): void {
    this.#sent ??= { bytes: 0, digest: this.#recording.digest() };
    this.#sent.bytes += bytes.length;
    this.#sent.digest.update(bytes);
  }

  /** The client has sent all of it. */
  sentAll(): void {
    const sent = this.#sent;
    this.#sent = undefined;
    if (!sent) return;
    const digest = sent.digest.done();
    this.#recording.sent(this.#run?.permit.statement, { bytes: sent.bytes, digest });
  }

  #recordedOf(plan: ResultPlan): Recorded {
    let recorded = this.#recorded.get(plan);
    if (!recorded) {
      recorded = {
        limit: limitOf(this.#limit, plan.recording),
        hidden: plan.hidden,
        names: plan.part.effect.outputs?.map(({ name }) => name),
      };
      this.#recorded.set(plan, recorded);
    }
    return recorded;
  }
}

/** A rule lowers what the configuration says, and never raises it. */
const limitOf = (usual: RecordingLimit, terms: RecordingTerms | undefined): RecordingLimit => ({
  rows: Math.min(usual.rows, terms?.rows ?? usual.rows),
  bytes: Math.min(usual.bytes, terms?.bytes ?? usual.bytes),
});

function saidOf(fields: ErrorFields): Said {
  const [detail, hint] = [fields.get('D'), fields.get('H')];
  return {
    severity: fields.get('V') ?? fields.get('S') ?? '',
    code: fields.get('C') ?? '',
    message: fields.get('M') ?? '',
    ...(detail !== undefined && { detail }),
    ...(hint !== undefined && { hint }),
  };
}
