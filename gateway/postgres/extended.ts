import type { GateRefusal } from '../gate/gate.ts';
import {
  ClientMessage as M,
  describe,
  parseBind,
  parseNamed,
  parseExecute,
  parseParse,
  parseRowDescription,
  ProtocolViolation,
  ServerMessage,
  type Bind,
  type Field,
} from './codec.ts';
import { meansOther, meantBy, stillMeans } from '#src/statement/sql/meaning.ts';
import type { Judge } from './judge.ts';
import type { Limit } from './limit.ts';
import { Withdrawal } from '../gate/holds.ts';
import type { Portal, Prepared } from './named.ts';
import { textOf } from './parameter.ts';
import { errorMessage, refusalMessage } from './refusal.ts';
import type { Responses } from './responses.ts';
import type { TargetConnection } from './target.ts';

const AT_ONCE_MS = 1_000;

/**
 * The extended query protocol: shape and static refusals at Parse, the verdict at Bind, because parameters are judged
 * and Bind can already run functions. A refusal fails the pipeline on the target too, and what follows is skipped
 * until Sync.
 */
export class Extended {
  readonly #judge: Judge;
  readonly #responses: Responses;
  readonly #target: TargetConnection;
  readonly #limit: Limit;
  #skipping = false;

  constructor(judge: Judge, responses: Responses, target: TargetConnection, limit: Limit) {
    this.#limit = limit;
    this.#judge = judge;
    this.#responses = responses;
    this.#target = target;
  }

  /** The pipeline has failed: messages until Sync do nothing, here as on the target. */
  get skipping(): boolean {
    return this.#skipping;
  }

  failing(): void {
    // A Sync that was sent already ends the failure by itself.
    if (!this.#judge.busy) this.#skipping = true;
    this.#judge.names.settle();
    this.#judge.withdraw(
      new Withdrawal('withdrawn', 'an earlier statement of the pipeline failed'),
    );
  }

  ready(): void {
    this.#skipping = false;
  }

  handle(type: number, body: Buffer, bytes: Buffer): Promise<void> | void {
    if (type === M.Sync) return this.#sync(bytes);
    if (this.#skipping) return undefined;
    const failed = (error: unknown): void => this.#failed(error);
    try {
      return this.#message(type, body, bytes)?.catch(failed);
    } catch (error) {
      return failed(error);
    }
  }

  /** What only this message is bad with fails the pipeline; anything else is thrown on. */
  #failed(error: unknown): void {
    if (!(error instanceof ProtocolViolation) || error.fatal) throw error;
    this.#fail(errorMessage(error.sqlstate, { message: error.message }));
  }

  #message(type: number, body: Buffer, bytes: Buffer): Promise<void> | void {
    switch (type) {
      case M.Parse:
        return this.#parse(body, bytes);
      case M.Bind:
        return this.#bind(parseBind(body), bytes);
      case M.Describe:
        return this.#describe(body, bytes);
      case M.Execute:
        return this.#execute(body, bytes);
      case M.Close:
        return this.#close(body, bytes);
      case M.Flush:
        return void this.#target.prepare(bytes);
      default:
        throw new ProtocolViolation(`invalid frontend message type ${type}`, '08P01', true);
    }
  }

  async #parse(body: Buffer, bytes: Buffer): Promise<void> {
    const { name, text, types } = parseParse(body);
    const analysis = await this.#judge.analyse(text, types);
    if (analysis.refused) {
      const refused = await this.#judge.admit(analysis, { exact: text, bytes, types });
      return refused.ok ? undefined : this.#refuse(refused.refusal);
    }
    if (this.#skipping) return;
    const { prepared } = this.#judge.names;
    const known: Prepared = { text, types, sql: false, meant: meantBy(analysis.meaning) };
    // A name that is taken stays what it is; the target then refuses this Parse.
    const taken = !prepared.expect(name, known);
    this.#send(bytes);
    this.#responses.expect({
      kind: 'parse',
      ...(!taken && { done: () => prepared.confirm(name, known) }),
    });
  }

  async #bind(bound: Bind, bytes: Buffer): Promise<void> {
    const prepared = this.#judge.names.prepared.get(bound.statement);
    if (!prepared)
      return this.#fail(
        errorMessage('26000', {
          message: `prepared statement "${bound.statement}" does not exist`,
        }),
      );
    if (prepared.sql) return this.#refuse(preparedBySql);
    const { text, types } = prepared;
    const analysis = await this.#judge.analyse(text, types);
    if (!analysis.refused && !stillMeans(prepared.meant, analysis.meaning))
      return this.#refuse(preparedBefore);
    const params = bound.values.map((value, i) =>
      textOf(value, formatOf(bound.formats, i), analysis.parameterTypes[i] ?? 0),
    );
    const sent = {
      get exact() {
        return withValues(text, params, bound.values);
      },
      bytes,
      prepared: text,
      types,
      params,
    };
    const admission = await this.#judge.admit(analysis, sent);
    if (!admission.ok) return this.#skipping ? undefined : this.#refuse(admission.refusal);
    const { permit, run, plans, generation, until } = admission;
    if (this.#skipping) {
      run.failed('skipped');
      return run.end();
    }
    const { resultFormats } = bound;
    const portal: Portal = { plans, run, generation, until, steps: 0, prepared, resultFormats };
    const taken = !this.#judge.names.portals.expect(bound.portal, portal);
    // Masking needs the types and formats of the result, and many drivers execute without Describe.
    const masked = plans.some((plan) => plan.masks);
    this.#target.run(permit, masked ? Buffer.concat([bytes, describe('P', bound.portal)]) : bytes);
    this.#judge.pipeline = true;
    for (const { part } of plans) this.#judge.bound(part);
    portal.steps = this.#judge.steps;
    this.#responses.expect({
      kind: 'bind',
      run,
      plans,
      ...(!taken && { done: () => this.#judge.names.portals.confirm(bound.portal, portal) }),
    });
    if (masked)
      this.#responses.expect({
        kind: 'describe',
        quiet: true,
        loud: true,
        plans,
        see: seeing(portal),
      });
  }

  #describe(body: Buffer, bytes: Buffer): void {
    const { kind, name } = parseNamed(body);
    const { portals, prepared } = this.#judge.names;
    const plans = kind === 'P' ? portals.get(name)?.plans : undefined;
    const of = kind === 'P' ? portals.get(name) : prepared.get(name);
    this.#send(bytes);
    this.#responses.expect({
      kind: 'describe',
      ...(plans && { plans }),
      ...(of && { see: telling(of) }),
    });
  }

  #execute(body: Buffer, bytes: Buffer): void {
    const { portal: name, maxRows } = parseExecute(body);
    const portal = this.#judge.names.portals.get(name);
    if (!portal)
      return this.#fail(errorMessage('34000', { message: `portal "${name}" does not exist` }));
    const { plans, run } = portal;
    if (portal.generation !== this.#judge.generation) return this.#refuse(boundBefore);
    // What was bound in time may run at once, also when its record took a moment.
    if (portal.until !== undefined && Date.now() >= portal.until + AT_ONCE_MS)
      return this.#refuse(signInTooOld);
    const fixed = plans.every(({ part }) => part.fixedAtBind === true);
    if (!fixed && portal.steps !== undefined && portal.steps !== this.#judge.steps)
      return this.#refuse(boundTooEarly);
    // What a part of its rows changed is not counted until the last of them has come.
    if (maxRows > 0 && plans.some(({ changeLimit }) => changeLimit !== undefined))
      return this.#refuse(inPieces);
    this.#target.execute(bytes);
    this.#judge.pipeline = true;
    for (const { part } of plans) this.#judge.sent(part);
    portal.steps = undefined;
    const limits = this.#limit.ofExecute(plans);
    this.#responses.expect({
      kind: 'execute',
      plans,
      run,
      fields: () => portal.fields,
      told: () => toldOf(portal),
      ...limits,
    });
  }

  #close(body: Buffer, bytes: Buffer): void {
    const { kind, name } = parseNamed(body);
    const { prepared, portals, cursors } = this.#judge.names;
    const names = kind === 'P' ? [portals, cursors] : [prepared];
    this.#judge.steps += 1;
    for (const kept of names) kept.expectGone(name);
    this.#send(bytes);
    this.#responses.expect({
      kind: 'close',
      done: () => {
        for (const kept of names) kept.confirmGone(name);
      },
    });
  }

  #sync(bytes: Buffer): void {
    this.#judge.busy = true;
    this.#target.prepare(bytes);
    this.#responses.expect({ kind: 'sync' });
  }

  #send(bytes: Buffer): void {
    this.#target.prepare(bytes);
    this.#judge.pipeline = true;
  }

  #refuse(refusal: GateRefusal): void {
    this.#fail(refusalMessage(refusal));
  }

  /** In the target's own order: what came before is answered first, and undone with the rest. */
  #fail(bytes: Buffer): void {
    this.#skipping = true;
    this.#judge.pipeline = true;
    this.#responses.expect({ kind: 'refusal', instead: bytes });
    this.#target.fail();
  }
}

/** For reviewers: the statement and its values as they came. */
function withValues(
  text: string,
  params: readonly (string | null | undefined)[],
  values: Bind['values'],
): string {
  const shown = params.map((value, i) => {
    const binary = (): string => `'\\x${values[i]?.toString('hex') ?? ''}' (binary)`;
    return `\n-- $${i + 1} = ${value === undefined ? binary() : JSON.stringify(value)}`;
  });
  return text + shown.join('');
}

const formatOf = (formats: readonly number[], i: number): number =>
  (formats.length === 1 ? formats[0] : formats[i]) ?? 0;

function seeing(portal: Portal): (type: number, body: Buffer) => void {
  return (type, body) => {
    if (type === ServerMessage.RowDescription) portal.fields = parseRowDescription(body);
  };
}

/** Keeps what the client's own Describe said, to read rows by. */
function telling(of: { told?: readonly Field[] }): (type: number, body: Buffer) => void {
  return (type, body) => {
    if (type === ServerMessage.RowDescription) of.told ??= parseRowDescription(body);
  };
}

/** A prepared statement's description does not know the formats that its portal has. */
function toldOf({ fields, told, prepared, resultFormats }: Portal): readonly Field[] | undefined {
  if (fields ?? told) return fields ?? told;
  return prepared.told?.map((field, i) => ({ ...field, format: formatOf(resultFormats, i) }));
}

const boundTooEarly: GateRefusal = {
  code: 'refused',
  message:
    'countersign: another statement ran since this one was bound, and may have changed what its names mean',
  detail: 'Refused by rule countersign/bound-too-early.',
  hint: 'Execute it right after it is bound.',
};

const boundBefore: GateRefusal = {
  code: 'changed',
  message: 'countersign: the rules changed since this statement was bound, so it is not run',
  detail: 'Refused by rule countersign/bound-before.',
  hint: 'Bind it again: it is then judged by the rules as they are now.',
};

const inPieces: GateRefusal = {
  code: 'refused',
  message:
    'countersign: a rule limits the rows that this may change, and it was executed in pieces',
  detail: 'Refused by rule countersign/changes-uncounted.',
  hint: 'Execute it without a limit on its rows.',
};

const preparedBefore: GateRefusal = {
  code: 'refused',
  message: `countersign: ${meansOther.refused.message}`,
  detail: `Refused by rule ${meansOther.refused.rule}.`,
  hint: 'Prepare it again.',
};

const signInTooOld: GateRefusal = {
  code: 'changed',
  message: 'countersign: the sign-in that this statement was bound behind is no longer fresh',
  detail: 'Refused by rule countersign/bound-before.',
  hint: 'Bind it again: what the rules hide without a fresh sign-in is then masked.',
};

const preparedBySql: GateRefusal = {
  code: 'refused',
  message: 'countersign: a statement that PREPARE made cannot be bound',
  detail: 'Refused by rule countersign/prepared-by-sql.',
  hint: 'Use EXECUTE, or prepare it over the protocol.',
};
