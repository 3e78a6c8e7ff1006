import type { Json, JsonObject } from '../log.ts';

/** A record as it goes out: what its leaf commits to, and its place in the tree. */
export type ExportedRecord = {
  readonly index: number;
  readonly id: string;
  readonly writer: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly kind: string;
  /** Of the leaf, hex. */
  readonly hash: string;
  readonly session?: string;
  readonly statement?: string;
  readonly request?: string;
  readonly person?: string;
  readonly agent?: string;
  readonly target?: string;
  readonly verdict?: string;
  /** Undefined once it has been erased. */
  readonly body?: JsonObject;
};

export const [DATASTORE, API, AUTHENTICATION, SESSION, ENTITY, ACCESS, FINDING] = [
  6005, 6003, 3002, 3003, 3004, 3005, 2006,
];
export const [INFORMATIONAL, LOW, MEDIUM] = [1, 2, 3];
const [SUCCESS, FAILURE] = [1, 2];
export const OTHER = 99;

/** What an event says beyond what every one does. */
export type Part = {
  readonly type: number;
  readonly activity: number;
  readonly severity?: number;
  readonly status?: number;
  readonly more: JsonObject;
};

export const text = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const texts = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];

export function actorOf({ person, agent, session, writer, body }: ExportedRecord): JsonObject {
  const application = text(body?.['application']) ?? agent;
  return {
    ...(person === undefined ? { app_name: writer } : { user: userOf(person) }),
    ...(session !== undefined && { session: { uid: session } }),
    ...(application !== undefined && { app_name: application }),
    ...(agent !== undefined && { invoked_by: agent }),
  };
}

const userOf = (person: string): JsonObject => ({ name: person, uid: person, type_id: 1 });

/** Where it came from; `client` is an address, with or without a port. */
export function sourceOf({ body, writer }: ExportedRecord): JsonObject {
  const client = text(body?.['client']) ?? text(body?.['address']);
  const ip =
    client === undefined
      ? undefined
      : /^\[?([\d.]+|[\da-fA-F:]+?)\]?(?::\d{1,5})?$/.exec(client)?.[1];
  return ip === undefined ? { svc_name: writer } : { ip };
}

const destination = ({ target }: ExportedRecord): JsonObject =>
  target === undefined ? {} : { dst_endpoint: { svc_name: target } };

/** Read, written, changed, …: of a string the part that weighs most. */
const ACTIVITIES: readonly (readonly [RegExp, number])[] = [
  [/^(?:delete|truncate|drop)/, 7],
  [/^(?:update|merge|alter)/, 2],
  [/^(?:insert|copy)/, 5],
  [/^create/, 6],
];

function activityOf(classes: readonly string[]): number {
  const found = ACTIVITIES.find(([pattern]) => classes.some((one) => pattern.test(one)));
  return found?.[1] ?? 4;
}

type Judged = {
  readonly action: number;
  readonly disposition: number;
  readonly severity: number;
};
const NO_VERDICT: Judged = { action: 0, disposition: 0, severity: INFORMATIONAL };
const VERDICTS: Readonly<Record<string, Judged>> = {
  allow: { action: 1, disposition: 1, severity: INFORMATIONAL },
  approved: { action: 1, disposition: 8, severity: INFORMATIONAL },
  deny: { action: 2, disposition: 2, severity: MEDIUM },
  hold: { action: OTHER, disposition: 14, severity: LOW },
};

export function statementPart(record: ExportedRecord): Part {
  const { body = {}, verdict = '', statement = record.id, target = 'unknown' } = record;
  const { action, disposition, severity } = VERDICTS[verdict] ?? NO_VERDICT;
  const rules = texts(body['rules']).join(', ');
  const words = texts(body['words']).join('; ');
  return {
    type: DATASTORE,
    activity: activityOf(texts(body['class'])),
    severity,
    status: verdict === 'deny' ? FAILURE : SUCCESS,
    more: {
      action_id: action,
      disposition_id: disposition,
      actor: actorOf(record),
      src_endpoint: sourceOf(record),
      ...destination(record),
      database: { name: text(body['database']) ?? target, type_id: 1 },
      query_info: { query_string: text(body['text']) ?? '', uid: statement },
      ...(words !== '' && { message: words }),
      ...(rules !== '' && { policy: { name: rules, ...version(body['policy']) } }),
    },
  };
}

function version(policy: Json | undefined): JsonObject {
  const named = text(policy);
  return named === undefined ? {} : { version: named };
}

export function outcomePart(record: ExportedRecord): Part {
  const { body = {}, statement, target } = record;
  const unknown = body['unknown'] === true;
  const code = text(body['code']);
  return {
    type: DATASTORE,
    activity: 4,
    status: unknown ? 0 : body['ok'] === true ? SUCCESS : FAILURE,
    ...(unknown && { severity: MEDIUM }),
    more: {
      actor: actorOf(record),
      src_endpoint: sourceOf(record),
      ...destination(record),
      database: { name: target ?? 'unknown', type_id: 1 },
      query_info: { query_string: '', uid: statement ?? record.id },
      ...(code !== undefined && { status_code: code }),
      message: unknown ? 'whether it took effect is not known' : texts(body['tags']).join('; '),
    },
  };
}

/** Whose it is may be unknown: an address that nobody has, typed at a sign-in. */
export function authenticationPart(record: ExportedRecord, activity: number, ok: boolean): Part {
  const { person = 'unknown', target, session, body = {} } = record;
  const why = text(body['why']) ?? text(body['reason']);
  return {
    type: AUTHENTICATION,
    activity,
    status: ok ? SUCCESS : FAILURE,
    severity: ok ? INFORMATIONAL : LOW,
    more: {
      user: userOf(person),
      service: { name: target ?? 'countersign' },
      src_endpoint: sourceOf(record),
      ...(session !== undefined && { session: { uid: session } }),
      ...(why !== undefined && { status_detail: why }),
    },
  };
}

export const failed = ({ body = {}, verdict }: ExportedRecord): boolean =>
  verdict === 'deny' || body['ok'] === false || text(body['action']) === 'failed';

/** A decision gives, or keeps back, the right to run one statement. */
export function decisionPart(record: ExportedRecord): Part {
  const { body = {}, request } = record;
  const approve = text(body['decision']) === 'approve';
  const reason = text(body['reason']);
  return {
    type: ACCESS,
    activity: approve ? 1 : 2,
    status: SUCCESS,
    more: {
      actor: actorOf(record),
      user: userOf(text(body['requester']) ?? 'the requester'),
      privileges: [`run the statement of request ${request ?? record.id}`],
      src_endpoint: sourceOf(record),
      ...(reason !== undefined && { status_detail: reason }),
      message: approve ? 'approved' : 'denied',
    },
  };
}

export function claimPart(record: ExportedRecord): Part {
  return {
    type: SESSION,
    activity: 1,
    status: SUCCESS,
    more: {
      user: userOf(record.person ?? 'unknown'),
      privileges: [`run statement ${record.statement ?? record.id} once`],
      src_endpoint: sourceOf(record),
      ...(record.session !== undefined && { session: { uid: record.session } }),
    },
  };
}

/** What becomes of a role that somebody was granted. */
export function grantPart(record: ExportedRecord): Part {
  const { body = {}, target = 'unknown' } = record;
  const change = text(body['event']) ?? 'changed';
  const why = text(body['why']);
  return {
    type: ACCESS,
    activity: change === 'started' ? 1 : change === 'reviewed' ? OTHER : 2,
    status: SUCCESS,
    more: {
      actor: actorOf(record),
      user: userOf(text(body['of']) ?? record.person ?? 'unknown'),
      privileges: [`role ${text(body['role']) ?? 'unknown'} on ${target}`],
      src_endpoint: sourceOf(record),
      ...(why !== undefined && { status_detail: why }),
      message: change,
    },
  };
}

const ENTITY_ACTIVITIES: Readonly<Record<string, number>> = {
  issue: 1,
  create: 1,
  add: 1,
  revoke: 4,
  delete: 4,
  remove: 4,
  deactivate: 11,
  activate: 10,
};

export function entityPart(record: ExportedRecord): Part {
  const { body = {}, kind } = record;
  const action = text(body['action']) ?? text(body['event']) ?? '';
  const verb = Object.keys(ENTITY_ACTIVITIES).find((one) => action.startsWith(one)) ?? '';
  const uid = text(body[kind]) ?? text(body['version']) ?? record.person ?? record.id;
  return {
    type: ENTITY,
    activity: ENTITY_ACTIVITIES[verb] ?? 3,
    status: SUCCESS,
    more: {
      actor: actorOf(record),
      src_endpoint: sourceOf(record),
      entity: { type: kind, uid, name: text(body['label']) ?? uid },
      ...(action !== '' && { message: `${kind}: ${action}` }),
    },
  };
}

export function apiPart(record: ExportedRecord, activity: number): Part {
  const { body = {}, kind } = record;
  const what = text(body['looked']) ?? text(body['event']) ?? kind;
  return {
    type: API,
    activity,
    status: SUCCESS,
    more: {
      actor: actorOf(record),
      src_endpoint: sourceOf(record),
      api: { operation: `${kind}: ${what}`, service: { name: 'countersign' } },
    },
  };
}
