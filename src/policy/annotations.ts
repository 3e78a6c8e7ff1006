import { kindNames } from '../mask/detect.ts';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { actionsOf, entity } from './ast.ts';
import { readDuration, type Complain } from './values.ts';
import { nearest } from './nearest.ts';
import { aboutGrants, readGrant } from './grant-terms.ts';
import { readRecording } from './recording.ts';
import type { HoldTerms, Terms } from './rule.ts';
import { grantActions } from './schema.ts';
import type { Mask } from './verdict.ts';
import { readWho } from './who.ts';

/** A complaint about an annotation; the loader adds file and line. */
export type Complaint = { readonly message: string; readonly hint: string };

const known = new Set(
  'id hold expires channel message quorum stage escalate hours reason stepup acr amr mask rows reactions handover resend shape count sample recording duration start ends ticket review'.split(
    ' ',
  ),
);
/** They say how a hold is lifted, so without `@hold` they would be silently ignored. */
const holdOnly =
  'expires channel quorum stage escalate hours reason reactions handover resend shape count sample'.split(
    ' ',
  );
/** On a permit to ask they need no hold: somebody may be let in at once, with a reason, and the channel told. */
const grantToo = ['reason', 'channel'];
/** They say how the approver of a hold signs in, or whoever a permit shows a column. */
const signIn = ['stepup', 'acr', 'amr'];

/** Reads a rule's annotations. Complains about every one that is misspelt, misplaced or does not parse. */
export function readTerms(json: PolicyJson): {
  readonly terms: Terms;
  readonly complaints: readonly Complaint[];
} {
  const complaints: Complaint[] = [];
  const complain: Complain = (message, hint) => void complaints.push({ message, hint });
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(json.annotations ?? {})) {
    if (!known.has(name)) complain(`@${name} is not an annotation of Countersign`, meant(name));
    else if (typeof value !== 'string' || value.trim() === '')
      complain(`@${name} has no value`, `write @${name}("…")`);
    else values.set(name, value);
  }
  const hold = readHold(json, values, complain);
  const message = values.get('message');
  const rows = readRows(json, values, complain);
  const recording = readRecording(json, values.get('recording'), complain);
  const fresh = readFresh(json, values, complain);
  const mask = readMask(json, values, complain);
  const grant = readGrant(json, values, complain);
  return {
    terms: {
      mask,
      ...(message !== undefined && { message }),
      ...(hold && { hold }),
      ...(rows !== undefined && { rows }),
      ...recording,
      ...fresh,
      ...(grant && { grant }),
    },
    complaints,
  };
}

const list = (names: Iterable<string>): string => [...names].join(', ');

function meant(name: string): string {
  const near = nearest(name, known);
  return near === undefined ? `use one of: ${list(known)}` : `did you mean @${near}?`;
}

function readHold(
  json: PolicyJson,
  values: ReadonlyMap<string, string>,
  complain: Complain,
): HoldTerms | undefined {
  const group = values.get('hold');
  if (group === undefined) {
    const own = json.effect === 'permit' && aboutGrants(json) ? grantToo : [];
    for (const name of holdOnly.filter((one) => values.has(one) && !own.includes(one)))
      complain(
        `@${name} says how a hold is lifted, but the rule has no @hold`,
        `add @hold("group") or remove @${name}`,
      );
    return undefined;
  }
  checkHoldPlace(json, complain);
  const quorum = values.get('quorum') ?? '1';
  if (!/^[1-9]\d?$/.test(quorum))
    complain(
      `@quorum("${quorum}") is not a number of persons`,
      'write a whole number from 1 to 99: @quorum("2")',
    );
  const reason = values.get('reason');
  if (reason !== undefined && reason !== 'required')
    complain(`@reason("${reason}") is not known`, 'write @reason("required") or leave it out');
  const expiresMs = readDuration('expires', values, complain);
  const resendMs = readDuration('resend', values, complain);
  const channel = values.get('channel');
  return {
    group: group.trim(),
    quorum: Number(quorum),
    reasonRequired: reason !== undefined,
    ...(expiresMs !== undefined && { expiresMs }),
    ...readWho(values, expiresMs, complain),
    ...readStepUp(values, complain),
    ...(resendMs !== undefined && { resendMs }),
    ...(channel !== undefined && { channel }),
    ...readChat(values, complain),
    ...readShown(values, complain),
  };
}

/** What people may do on the cards of what the rule holds. */
function readChat(
  values: ReadonlyMap<string, string>,
  complain: Complain,
): Pick<HoldTerms, 'reactionsVote' | 'handOver'> {
  const reactions = values.get('reactions');
  if (reactions !== undefined && reactions !== 'vote')
    complain(`@reactions("${reactions}") is not known`, 'write @reactions("vote") or leave it out');
  for (const name of ['reason', 'stepup'])
    if (reactions !== undefined && values.has(name))
      complain(
        `@reactions stands beside @${name}, which a reaction cannot give`,
        `remove @reactions or @${name}`,
      );
  const groups = values.get('handover')?.split(',');
  return {
    ...(reactions !== undefined && { reactionsVote: true }),
    ...(groups && { handOver: groups.map((group) => group.trim()) }),
  };
}

// More would fill a card.
const mostSampled = 20;

/** What approvers are to see of the rows, and whether they may let the same run again. */
function readShown(
  values: ReadonlyMap<string, string>,
  complain: Complain,
): Pick<HoldTerms, 'shapeMs' | 'count' | 'sample'> {
  const shapeMs = readDuration('shape', values, complain);
  const count = values.get('count');
  if (count !== undefined && count !== 'exact')
    complain(`@count("${count}") is not known`, 'write @count("exact") or leave it out');
  const sample = values.get('sample');
  if (sample !== undefined && !(/^[1-9]\d?$/.test(sample) && Number(sample) <= mostSampled))
    complain(
      `@sample("${sample}") is not a number of keys`,
      `write a whole number from 1 to ${mostSampled}: @sample("5")`,
    );
  return {
    ...(shapeMs !== undefined && { shapeMs }),
    ...(count !== undefined && { count: true }),
    ...(sample !== undefined && { sample: Number(sample) }),
  };
}

/** The fresh sign-in that a permit asks for: only what it shows can be hidden again while there is none. */
function readFresh(
  json: PolicyJson,
  values: ReadonlyMap<string, string>,
  complain: Complain,
): Pick<Terms, 'fresh'> {
  const written = signIn.filter((name) => values.has(name));
  if (written.length === 0 || values.has('hold')) return {};
  const own =
    json.effect === 'permit' && (speaksOnlyOf(json, 'reveal') || speaksOnlyOf(json, 'break-glass'));
  if (own) {
    const { stepUpMs: ageMs, acr, amr } = readStepUp(values, complain);
    if (ageMs === undefined) return {};
    return { fresh: { ageMs, ...(acr !== undefined && { acr }), ...(amr && { amr }) } };
  }
  for (const name of written)
    if (json.effect === 'permit')
      complain(
        `@${name} stands on a permit that does more than show columns or break glass`,
        'name reveal or break-glass alone in its head: action == Action::"reveal"',
      );
    else
      complain(
        `@${name} says how a hold is lifted, but the rule has no @hold`,
        `add @hold("group") or remove @${name}`,
      );
  return {};
}

function speaksOnlyOf(json: PolicyJson, action: string): boolean {
  const actions = actionsOf(json) ?? [];
  return actions.length > 0 && actions.every((one) => one === action);
}

function readStepUp(
  values: ReadonlyMap<string, string>,
  complain: Complain,
): Pick<HoldTerms, 'stepUpMs' | 'acr' | 'amr'> {
  const stepUpMs = readDuration('stepup', values, complain);
  const acr = values.get('acr');
  const amr = values.get('amr');
  for (const name of ['acr', 'amr'])
    if (values.has(name) && !values.has('stepup'))
      complain(
        `@${name} says how a fresh sign-in is made, but the rule asks for none`,
        `add @stepup("5m") or remove @${name}`,
      );
  return {
    ...(stepUpMs !== undefined && { stepUpMs }),
    ...(acr !== undefined && { acr: acr.trim() }),
    ...(amr !== undefined && { amr: amr.trim().split(/\s+/) }),
  };
}

function checkHoldPlace(json: PolicyJson, complain: Complain): void {
  if (json.effect !== 'forbid')
    complain('@hold stands on a permit', 'only a forbid can be lifted by approval: write forbid');
  if (mayBe(json, 'reveal'))
    complain(
      '@hold on reveal: a hidden column is masked, it cannot be held',
      'name the actions that are held, without reveal: action in [Action::"write", …]',
    );
  if (mayBe(json, 'break-glass') && (actionsOf(json) ?? []).includes('break-glass'))
    complain(
      '@hold on break-glass: who breaks the glass waits for nobody',
      'hold request, or leave break-glass out',
    );
  if (mayBe(json, 'connect'))
    complain(
      '@hold on connect: a connection cannot be held',
      'name the actions that are held, without connect',
    );
}

/** The actions that a resource of this type can have; the schema's own table. */
const actionsOn: Readonly<Record<string, readonly string[]>> = {
  Column: ['reveal', 'filter', 'join', 'assign'],
  Table: ['read', 'write', 'delete', 'define'],
  Function: ['execute'],
  Schema: ['define'],
  Target: ['connect', 'define', 'administer'],
  Role: [...grantActions],
};

/** True when the rule's head lets it speak about this action. */
function mayBe(json: PolicyJson, action: string): boolean {
  const actions = actionsOf(json);
  if (actions) return actions.includes(action);
  const scope = json.resource;
  if (scope.op === 'is') return actionsOn[scope.entity_type]?.includes(action) ?? true;
  if (scope.op !== '==' || !('entity' in scope)) return true;
  const named = entity(scope.entity);
  return (named && actionsOn[named.type]?.includes(action)) ?? true;
}

function readRows(
  json: PolicyJson,
  values: ReadonlyMap<string, string>,
  complain: Complain,
): number | undefined {
  const text = values.get('rows');
  if (text === undefined) return undefined;
  if (json.effect === 'forbid' && !values.has('hold'))
    complain(
      '@rows stands on a forbid that lets nothing through',
      'put @rows on the permit that it limits',
    );
  if (!/^[1-9]\d{0,8}$/.test(text))
    return complain(
      `@rows("${text}") is not a number of rows`,
      'write a whole number of at least 1: @rows("100")',
    );
  return Number(text);
}

function readMask(json: PolicyJson, values: ReadonlyMap<string, string>, complain: Complain): Mask {
  const text = values.get('mask');
  if (text === undefined) return { kind: 'null' };
  if (json.effect !== 'forbid' || !mayBe(json, 'reveal'))
    complain(
      '@mask stands on a rule that hides nothing',
      'put @mask on a forbid with action == Action::"reveal"',
    );
  const mask = parseMask(text);
  if (mask) return mask;
  complain(
    `@mask("${text}") is not a mask`,
    'use one of: null, fixed:TEXT, hash, hash:CLASS, last1 to last16, email, detect, detect:email,card (kinds: docs/masking.md)',
  );
  return { kind: 'null' };
}

/** `null`, `fixed:TEXT`, `hash`, `hash:CLASS`, `last4`, `email`, `detect`, `detect:email,card`; undefined for anything else. */
export function parseMask(text: string): Mask | undefined {
  for (const [pattern, make] of masks) {
    const found = pattern.exec(text);
    if (found) return make(found[1] ?? '');
  }
  return undefined;
}

/** A misspelt kind would find nothing. */
const detectOf = (kinds: readonly string[]): Mask | undefined =>
  kinds.every((kind) => kindNames.has(kind)) ? { kind: 'detect', kinds } : undefined;

const masks: readonly (readonly [RegExp, (rest: string) => Mask | undefined])[] = [
  [/^null$/, () => ({ kind: 'null' })],
  [/^fixed:(.{1,100})$/s, (text) => ({ kind: 'fixed', text })],
  [/^hash$/, () => ({ kind: 'hash' })],
  [/^hash:([A-Za-z0-9][\w.-]{0,62})$/, (name) => ({ kind: 'hash', class: name })],
  [/^last([1-9]|1[0-6])$/, (keep) => ({ kind: 'last', keep: Number(keep) })],
  [/^email$/, () => ({ kind: 'email' })],
  [/^detect$/, () => ({ kind: 'detect' })],
  [
    /^detect:([a-z][\w-]*(?:,[a-z][\w-]*)*)$/,
    (kinds) => detectOf([...new Set(kinds.split(','))].toSorted()),
  ],
];
