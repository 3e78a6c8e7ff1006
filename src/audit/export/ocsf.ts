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

export type OcsfEvent = JsonObject;

/** What is the same for every event of an installation. */
export type Product = { readonly origin: string; readonly version: string };

const OCSF = '1.8.0';
const PROFILES = ['security_control'];
const [DATASTORE, API, AUTHENTICATION, SESSION, ENTITY, ACCESS, FINDING] = [
  6005, 6003, 3002, 3003, 3004, 3005, 2006,
];
const [INFORMATIONAL, LOW, MEDIUM] = [1, 2, 3];
const [SUCCESS, FAILURE] = [1, 2];
const OTHER = 99;

/** What an event says beyond what every one does. */
type Part = {
  readonly type: number;
  readonly activity: number;
  readonly severity?: number;
  readonly status?: number;
  readonly more: JsonObject;
};

/**
 * The events of OCSF 1.8 that a record stands for: one, or two where values went out masked. Bodies are masked before they
 * come here. `metadata.uid` names the record, `metadata.sequence` its place in the tree: whoever gets it twice can tell.
 */
export function ocsfEvents(record: ExportedRecord, product: Product): readonly OcsfEvent[] {
  const part = (PARTS[record.kind] ?? otherPart)(record);
  const events = [event(record, product, part, '')];
  const finding = maskingPart(record);
  if (finding) events.push(event(record, product, finding, '#masked'));
  return events;
}

function event(record: ExportedRecord, product: Product, part: Part, suffix: string): OcsfEvent {
  const { type, activity, severity = INFORMATIONAL, status, more } = part;
  return {
    activity_id: activity,
    category_uid: Math.floor(type / 1_000),
    class_uid: type,
    type_uid: type * 100 + activity,
    severity_id: severity,
    time: record.time,
    ...(status !== undefined && { status_id: status }),
    metadata: {
      version: OCSF,
      product: { name: 'Countersign', vendor_name: 'Countersign', version: product.version },
      profiles: PROFILES,
      uid: record.id + suffix,
      log_name: product.origin,
      log_provider: record.writer,
      sequence: record.index,
      event_code: record.kind,
      ...(record.request !== undefined && { correlation_uid: record.request }),
    },
    ...more,
    unmapped: {
      leaf_hash: record.hash,
      ...(record.body ? { record: record.body } : { erased: true }),
    },
  };
}

const text = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const texts = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];

function actorOf({ person, agent, session, writer, body }: ExportedRecord): JsonObject {
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
function sourceOf({ body, writer }: ExportedRecord): JsonObject {
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

function statementPart(record: ExportedRecord): Part {
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

function outcomePart(record: ExportedRecord): Part {
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
function authenticationPart(record: ExportedRecord, activity: number, ok: boolean): Part {
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

const failed = ({ body = {}, verdict }: ExportedRecord): boolean =>
  verdict === 'deny' || body['ok'] === false || text(body['action']) === 'failed';

/** A decision gives, or keeps back, the right to run one statement. */
function decisionPart(record: ExportedRecord): Part {
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

function claimPart(record: ExportedRecord): Part {
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

function entityPart(record: ExportedRecord): Part {
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

function apiPart(record: ExportedRecord, activity: number): Part {
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

/** What no other class fits. */
const otherPart = (record: ExportedRecord): Part => apiPart(record, OTHER);

const PARTS: Readonly<Record<string, (record: ExportedRecord) => Part>> = {
  statement: statementPart,
  outcome: outcomePart,
  'session-start': (record) => authenticationPart(record, 1, !failed(record)),
  'session-end': (record) => authenticationPart(record, 2, true),
  'sign-in': (record) => authenticationPart(record, 1, !failed(record)),
  'sign-out': (record) => authenticationPart(record, 2, true),
  request: (record) => apiPart(record, 1),
  decision: decisionPart,
  claim: claimPart,
  token: entityPart,
  person: entityPart,
  group: entityPart,
  policy: entityPart,
  look: (record) => apiPart(record, 2),
  recording: (record) => apiPart(record, 1),
  erasure: (record) => apiPart(record, 4),
  'legal-hold': entityPart,
  recovery: otherPart,
  writer: otherPart,
  heartbeat: otherPart,
};

/** Values that a rule hides were in a result, and went out masked. */
function maskingPart(record: ExportedRecord): Part | undefined {
  const masked = record.body?.['masked'];
  if (record.kind !== 'statement' || typeof masked !== 'object' || masked === null)
    return undefined;
  const columns = Object.keys(masked);
  return {
    type: FINDING,
    activity: 1,
    status: 1,
    more: {
      actor: actorOf(record),
      src_endpoint: sourceOf(record),
      database: { name: text(record.body?.['database']) ?? 'unknown', type_id: 1 },
      finding_info: {
        uid: `${record.id}#masked`,
        title: `masked: ${columns.slice(0, 20).join(', ')}`,
      },
      action_id: 4,
      disposition_id: 11,
    },
  };
}
