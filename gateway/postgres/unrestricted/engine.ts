import { TwoGenerations } from '#src/policy/cache.ts';
import { glance, type Glance, type NameChange, withParams } from '#src/statement/sql/glance.ts';
import type { Permit } from '../../gate/permit.ts';
import { admitUnrestricted, type Told } from '../../gate/unrestricted.ts';
import type { Analyser } from '../analyser.ts';
import {
  bodyOf,
  bytesOf,
  ClientMessage as M,
  parseExecute,
  parseNamed,
  parseParse,
  ProtocolViolation,
  sync,
  type Frame,
  type Field,
  type TransactionStatus,
} from '../codec.ts';
import type { ConversationParts } from '../deps.ts';
import type { Engine, EngineHooks } from '../engine.ts';
import { Names } from '../named.ts';
import { Run } from '../recorder.ts';
import { refusalMessage } from '../refusal.ts';
import type { Recorded } from '../tape.ts';
import { Answers, type Asked } from './answers.ts';
import { Lane } from './lane.ts';
import {
  bindSaid,
  callSaid,
  executeSaid,
  querySaid,
  readable,
  type Said,
  type Text,
} from './text.ts';

const LARGEST = 0x3fff_ffff;
/** Characters of a text that is worth remembering. */
const REMEMBERED = 4_096;

/** What a permit is needed for. */
type Effective = 'query' | 'call' | 'bind' | 'execute';
/** A portal, from the moment on that it was asked for; without a run when it was refused. */
type Portal = {
  run?: Run;
  recorded?: Recorded;
  readonly prepared?: Described;
  readonly formats?: readonly number[];
  told?: readonly Field[];
};
/** A prepared statement, and what a Describe said of it. */
type Described = Text & { told?: readonly Field[] };
type Bound = { readonly portal: Portal; readonly done: () => void };

/**
 * A session in which no rule could ever deny, hold, mask or limit anything. Nothing is analysed, asked or refused: each
 * message goes to the target as it came, and the target answers. What may have an effect (Query, Bind, FunctionCall,
 * Execute of a cursor) is recorded first, and needs its permit like everywhere.
 */
export class Unrestricted implements Engine {
  readonly native = true;
  readonly largest = LARGEST;
  readonly holding = false;
  readonly #parts: ConversationParts;
  readonly #hooks: EngineHooks;
  readonly #answers: Answers;
  readonly #analyser: Analyser;
  readonly #lane: Lane;
  readonly #prepared = new Names<Described>();
  readonly #portals = new Names<Portal>();
  readonly #seen = new TwoGenerations<string, Glance>(128);
  /** Definitions may have changed since the last ReadyForQuery. */
  #defined = false;
  #retired = false;
  #idle: (() => void) | undefined;

  constructor(parts: ConversationParts, hooks: EngineHooks) {
    const { client, deps, config, facts } = parts;
    this.#parts = parts;
    this.#hooks = hooks;
    this.#analyser = deps.analyser(config, facts.database);
    this.#lane = new Lane((error) => hooks.broken(error));
    this.#answers = new Answers(
      client.socket,
      {
        changed: (change) => this.#changed(change),
        ready: (status) => this.#ready(status),
        broken: (error) => hooks.broken(error),
      },
      parts.transcript,
    );
  }

  get outstanding(): boolean {
    return this.#answers.outstanding || !this.#lane.empty;
  }
  get idle(): boolean {
    return this.#lane.empty && !this.#answers.running;
  }
  get quiet(): boolean {
    return this.idle;
  }
  get unfinished(): boolean {
    return this.#answers.copyIn;
  }
  /** Without a Sync nothing of a pipeline can be completed: the target rolls it back as soon as we leave. */
  get nothingToCome(): boolean {
    return this.idle;
  }

  handle(frame: Frame): Promise<void> | void {
    const bytes = bytesOf(frame);
    switch (frame.type) {
      case M.CopyData:
        this.#parts.transcript.sent(bytes);
        return this.#send(bytes);
      case M.CopyDone:
      case M.CopyFail:
        this.#parts.transcript.sentAll();
        return this.#send(bytes, { kind: 'copy-end' });
      default:
        if (this.#retired) return undefined;
        return this.#message(frame.type, bodyOf(frame), bytes) ?? this.#answers.room();
    }
  }

  waits(): boolean {
    return false;
  }
  sent(): Promise<void> | void {
    return this.#lane.gone;
  }
  push(chunk: Buffer): boolean {
    return this.#answers.push(chunk);
  }
  inject(bytes: Buffer): void {
    this.#answers.inject(bytes);
  }
  lost(): void {
    this.#answers.lost();
  }
  withdraw(): boolean {
    return false;
  }
  whenIdle(listener: () => void): void {
    this.#idle = listener;
  }

  #message(type: number, body: Buffer, bytes: Buffer): Promise<void> | void {
    switch (type) {
      case M.Query:
        return this.#record('query', querySaid(body), bytes);
      case M.FunctionCall:
        return this.#record('call', callSaid(body), bytes);
      case M.Parse:
        return this.#parse(body, bytes);
      case M.Bind:
        return this.#bind(body, bytes);
      case M.Execute:
        return this.#execute(body, bytes);
      case M.Close:
        return this.#close(body, bytes);
      case M.Describe:
        return this.#describe(body, bytes);
      case M.Sync:
        return this.#send(bytes, { kind: 'sync' });
      case M.Flush:
        return this.#send(bytes);
      default:
        throw new ProtocolViolation(`invalid frontend message type ${type}`, '08P01', true);
    }
  }

  #parse(body: Buffer, bytes: Buffer): Promise<void> | void {
    const parsed = readable(() => parseParse(body));
    if (!parsed) return this.#send(bytes, { kind: 'parse' });
    const { name } = parsed;
    const known = this.#prepared;
    const taken = !known.expect(name, parsed);
    const done = (): void => void (taken || known.confirm(name, parsed));
    return this.#send(bytes, { kind: 'parse', done });
  }

  #bind(body: Buffer, bytes: Buffer): Promise<void> | void {
    let prepared: Described | undefined;
    const {
      said,
      portal: name,
      formats,
    } = bindSaid(body, (of) => (prepared = this.#prepared.get(of)));
    const portals = this.#portals;
    const portal: Portal = { ...(prepared && { prepared }), ...(formats && { formats }) };
    const taken = name === undefined || !portals.expect(name, portal);
    const done = (): void => void (taken || portals.confirm(name, portal));
    return this.#record('bind', said, bytes, { portal, done });
  }

  #execute(body: Buffer, bytes: Buffer): Promise<void> | void {
    const name = readable(() => parseExecute(body))?.portal;
    const portal = name === undefined ? undefined : this.#portals.get(name);
    // A cursor, or what no Bind has made: what it does is known to the target alone.
    if (!portal) return this.#record('execute', executeSaid(name), bytes);
    return this.#lane.add(bytes.length, () => {
      // Its Bind was refused, and everything until Sync is skipped.
      if (!portal.run) return;
      this.#parts.target.execute(bytes);
      const { run, recorded } = portal;
      const told = () => toldOf(portal);
      this.#answers.expect({ kind: 'execute', run, told, ...(recorded && { recorded }) });
    });
  }

  #describe(body: Buffer, bytes: Buffer): Promise<void> | void {
    const named = readable(() => parseNamed(body));
    const of = named && (named.kind === 'P' ? this.#portals : this.#prepared).get(named.name);
    const hears = (fields: readonly Field[]): void => void (of && (of.told ??= fields));
    return this.#send(bytes, { kind: 'describe', hears });
  }

  #close(body: Buffer, bytes: Buffer): Promise<void> | void {
    const named = readable(() => parseNamed(body));
    if (!named) return this.#send(bytes, { kind: 'close' });
    const names = named.kind === 'P' ? this.#portals : this.#prepared;
    names.expectGone(named.name);
    return this.#send(bytes, { kind: 'close', done: () => names.confirmGone(named.name) });
  }

  /** What runs nothing. */
  #send(bytes: Buffer, asked?: Asked): Promise<void> | void {
    return this.#lane.add(bytes.length, () => {
      this.#parts.target.prepare(bytes);
      if (asked) this.#answers.expect(asked);
    });
  }

  /** What may have an effect: its record first, then its permit, then the message as it came. */
  #record(kind: Effective, said: Said, bytes: Buffer, bound?: Bound): Promise<void> | void {
    const { deps, facts } = this.#parts;
    const { told, names, defines, recorded } = this.#tell(kind, said, bytes);
    const admission = admitUnrestricted(deps, facts, told).catch(deps.onFailure);
    return this.#lane.after(admission, bytes.length, (admitted) => {
      if (this.#retired) return;
      if (!admitted) return this.#unavailable(kind);
      if (admitted === 'restricted') return this.#retire();
      this.#parts.transcript.judged(admitted.statement, told.text, 'allow');
      const run = this.#run(admitted, bytes);
      if (bound) Object.assign(bound.portal, { run, recorded });
      this.#defined ||= defines;
      this.#answers.expect({ kind, run, names, recorded, ...(bound && { done: bound.done }) });
    });
  }

  #tell(
    kind: Effective,
    { sql, note = '', params = [] }: Said,
    bytes: Buffer,
  ): Pick<Glance, 'names' | 'defines'> & { readonly told: Told; readonly recorded: Recorded } {
    const { deps, facts, config } = this.#parts;
    const hide = deps.policy().hides(facts.target);
    const inTransaction = this.#answers.status !== 'I';
    const unseen = { classes: [kind], words: [note], text: note, names: [], defines: true };
    const seen = sql === undefined ? unseen : this.#glance(sql, hide);
    const { classes, words, names, defines } = seen;
    const text = withParams(seen.text, params, hide);
    // Nothing was analysed, so it is not known which column a value comes from.
    const recorded: Recorded = { limit: config.record, hidden: hide ? 'all' : undefined };
    return { told: { classes, words, text, bytes, inTransaction }, names, defines, recorded };
  }

  /** Drivers send few texts many times. */
  #glance(sql: string, hide: boolean): Glance {
    if (sql.length > REMEMBERED) return glance(sql, hide);
    const key = `${hide ? 1 : 0}${sql}`;
    let seen = this.#seen.get(key);
    if (!seen) this.#seen.set(key, (seen = glance(sql, hide)));
    return seen;
  }

  #run(permit: Permit, bytes: Buffer): Run {
    const { deps, facts, target } = this.#parts;
    const run = new Run(deps, facts, permit, undefined);
    try {
      target.run(permit, bytes);
    } catch (error) {
      run.failed('08006');
      run.end();
      throw error;
    }
    return run;
  }

  /** It was not recorded, so it fails as any statement does: in the target's own order, and with its transaction. */
  #unavailable(kind: Effective): void {
    const { target } = this.#parts;
    target.fail();
    this.#answers.expect({ kind: 'refusal', instead: refusalMessage(UNRECORDED) });
    if (kind !== 'query' && kind !== 'call') return;
    target.prepare(sync());
    this.#answers.expect({ kind: 'sync' });
  }

  #retire(): void {
    this.#retired = true;
    this.#hooks.retire(RESTRICTED);
  }

  #changed(change: NameChange): void {
    if ('forgets' in change) this.#prepared.confirmGone(change.forgets);
    // Its text stands in the record of the PREPARE.
    else this.#prepared.confirmGone(change.prepares);
  }

  #ready(status: TransactionStatus): void {
    this.#prepared.settle();
    this.#portals.settle();
    if (status === 'I') this.#portals.clear();
    if (this.#defined) this.#analyser.bumpEpoch();
    if (status === 'I') this.#defined = false;
    if (this.idle) this.#idle?.();
    this.#hooks.ready();
  }
}

/** A prepared statement's description does not know the formats that its portal has. */
function toldOf({ told, prepared, formats = [] }: Portal): readonly Field[] | undefined {
  if (told) return told;
  const formatOf = (i: number): number => (formats.length === 1 ? formats[0] : formats[i]) ?? 0;
  return prepared?.told?.map((field, i) => ({ ...field, format: formatOf(i) }));
}

/** Why a session ends whose person is not unrestricted any more. */
export const RESTRICTED =
  'the rules, or your groups or grants, have changed: statements are judged from now on';

const UNRECORDED = {
  code: 'unavailable',
  message: 'countersign: the statement was not run, because it cannot be recorded now',
  hint: 'The audit store does not answer. Try again; if it lasts, ask the operator to run "countersign doctor".',
} as const;
