import { z } from 'zod';
import type { Json } from '#src/audit/log.ts';

/** What goes over the wire. A reply is parsed by its schema, so that a field that is not named here never leaves. */
const texts = z.array(z.string()).readonly();

export const requestState = z.enum([
  'pending',
  'approved',
  'granted',
  'running',
  'done',
  'unknown',
  'denied',
  'expired',
  'withdrawn',
  'abandoned',
  'changed',
  'refused',
]);

const escalation = z.object({
  afterMs: z.number(),
  group: z.string(),
  channel: z.string().optional(),
});

const escalated = escalation.extend({ of: z.string(), stage: z.int(), at: z.string() });

const askedGroup = z.object({
  group: z.string(),
  quorum: z.int(),
  stage: z.int().optional(),
  hours: z.object({ text: z.string(), timeZone: z.string(), outside: z.string() }).optional(),
  escalate: z.array(escalation).readonly().optional(),
  owns: texts.optional(),
  channels: texts.optional(),
});

const requirement = z.object({
  groups: z.array(askedGroup).readonly(),
  expiresMs: z.number(),
  reasonRequired: z.boolean(),
  stepUpMs: z.number().optional(),
  acr: texts.optional(),
  amr: texts.optional(),
  channels: texts,
  resendMs: z.number().optional(),
  reactionsVote: z.boolean(),
  handOver: texts.optional(),
  shapeMs: z.number().optional(),
  count: z.literal(true).optional(),
  sample: z.int().optional(),
});

const ran = z.object({
  text: z.string(),
  verdict: z.string(),
  ok: z.boolean().optional(),
  rows: z.number().optional(),
  code: z.string().optional(),
});

const last = z.object({ by: texts, at: z.string() });
const same = z.object({
  approved: z.int(),
  denied: z.int(),
  lastApproved: last.optional(),
  lastDenied: last.optional(),
});

const rows = z.object({
  state: z.enum(['estimating', 'known', 'unknown']),
  why: z.string().optional(),
  estimated: z.number().optional(),
  counted: z.number().optional(),
  sample: z.object({ columns: texts, keys: z.array(texts).readonly() }).optional(),
});

const shape = z.object({
  until: z.string(),
  approvers: texts,
  revokedAt: z.string().optional(),
  revokedBy: z.string().optional(),
});

const card = z.object({
  person: z.object({ email: z.string(), name: z.string(), groups: texts }),
  agent: z.string().optional(),
  target: z.string(),
  database: z.string(),
  masked: z.string(),
  hidesWrite: z.boolean(),
  words: texts,
  rules: texts,
  message: z.string(),
  reason: z.string().optional(),
  digest: z.string(),
  transactionOpenMs: z.number().optional(),
  client: z.string(),
  application: z.string(),
  before: z.array(ran).readonly().optional(),
  same: same.optional(),
  shape: z.object({ words: z.string(), ms: z.number() }).optional(),
  access: z
    .object({
      role: z.string(),
      durationMs: z.number(),
      start: z.string(),
      waitsMs: z.number(),
      ends: z.enum(['cancel', 'finish']),
      reviewers: texts.optional(),
    })
    .optional(),
});

const decision = z.object({
  person: z.string(),
  group: z.string(),
  decision: z.enum(['approve', 'deny']),
  reason: z.string(),
  via: z.enum(['api', 'console', 'slack', 'teams']),
  at: z.string(),
  shape: z.literal(true).optional(),
  durationMs: z.number().optional(),
  stage: z.int().optional(),
  /** Who is away, and whose authority this was. */
  standsFor: z.string().optional(),
  /** They reacted on the card. */
  reaction: z.object({ platform: z.enum(['slack', 'teams']) }).optional(),
});

const via = z.enum(['api', 'console', 'slack', 'teams']);
const question = z.object({
  id: z.string(),
  text: z.string(),
  person: z.string(),
  via,
  at: z.string(),
  answer: z.object({ text: z.string(), via, at: z.string() }).optional(),
});
const handOver = z.object({
  group: z.string(),
  person: z.string(),
  via,
  at: z.string(),
  agrees: z.boolean(),
});
const reminder = z.object({
  id: z.string(),
  person: z.string(),
  groups: texts,
  at: z.string(),
});

const outcome = z.object({
  ok: z.boolean(),
  rows: z.number().optional(),
  durationMs: z.number().optional(),
  code: z.string().optional(),
});

export const grantReply = z
  .object({
    id: z.string(),
    kind: z.enum(['access', 'break-glass']),
    person: z.string(),
    target: z.string(),
    role: z.string(),
    request: z.string().optional(),
    state: z.enum(['waiting', 'scheduled', 'live', 'ended']),
    durationMs: z.number(),
    createdAt: z.string(),
    useBy: z.string().optional(),
    startsAt: z.string().optional(),
    endsAt: z.string().optional(),
    endedAt: z.string().optional(),
    endedWhy: z.string().optional(),
    revokedBy: z.string().optional(),
    ends: z.enum(['cancel', 'finish']),
    reviewers: texts,
    reviewedAt: z.string().optional(),
    reviewedBy: z.string().optional(),
    review: z.string().optional(),
  })
  .meta({ id: 'Grant' });

export const requestReply = z
  .object({
    id: z.string(),
    version: z.int(),
    state: requestState,
    kind: z.enum(['statement', 'access', 'break-glass']),
    session: z.string().optional(),
    statement: z.string().optional(),
    requirement,
    card,
    decisions: z.array(decision).readonly(),
    /** The stage that is asked. */
    stage: z.int().optional(),
    escalated: z.array(escalated).readonly().optional(),
    rows: rows.optional(),
    shape: shape.optional(),
    questions: z.array(question).readonly().optional(),
    handedOver: z.array(handOver).readonly().optional(),
    reminded: reminder.optional(),
    grant: grantReply.optional(),
    outcome: outcome.optional(),
    record: z.string(),
    createdAt: z.string(),
    expiresAt: z.string(),
    endedAt: z.string().optional(),
  })
  .meta({ id: 'Request' });

const json: z.ZodType<Json> = z.json();

export const recordReply = z
  .object({
    id: z.string(),
    writer: z.string(),
    seq: z.string(),
    at: z.string(),
    kind: z.string(),
    session: z.string().optional(),
    statement: z.string().optional(),
    request: z.string().optional(),
    person: z.string().optional(),
    agent: z.string().optional(),
    target: z.string().optional(),
    verdict: z.string().optional(),
    hash: z.string(),
    /** How far it has come in the log, and its place in the tree once it has one. */
    log: z
      .object({
        state: z.enum(['durable', 'sequenced', 'signed', 'witnessed', 'anchored']),
        index: z.int().optional(),
      })
      .optional(),
    /** Absent once it has been erased. */
    body: z.record(z.string(), json).readonly().optional(),
  })
  .meta({ id: 'Record' });

export const sessionReply = z
  .object({
    id: z.string(),
    person: z.string().optional(),
    agent: z.string().optional(),
    target: z.string().optional(),
    startedAt: z.string().optional(),
    endedAt: z.string().optional(),
    records: z.array(recordReply).readonly(),
  })
  .meta({ id: 'Session' });

export const idParams = z.strictObject({ id: z.uuid() });

/** One line or more, without control characters; empty means none was given. */
export const reasonText = z
  .string()
  .trim()
  .max(1_000)
  .regex(/^[^\p{Cc}]*(?:[\r\n\t][^\p{Cc}]*)*$/u, 'holds a control character');
