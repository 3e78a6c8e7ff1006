import type { JsonObject } from '../log.ts';
import {
  FINDING,
  INFORMATIONAL,
  OTHER,
  text,
  actorOf,
  sourceOf,
  statementPart,
  outcomePart,
  authenticationPart,
  failed,
  decisionPart,
  claimPart,
  grantPart,
  entityPart,
  apiPart,
  type Part,
  type ExportedRecord,
} from './ocsf-parts.ts';

export type OcsfEvent = JsonObject;

/** What is the same for every event of an installation. */
export type Product = { readonly origin: string; readonly version: string };

const OCSF = '1.8.0';
const PROFILES = ['security_control'];
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
  grant: grantPart,
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
