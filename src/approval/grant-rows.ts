import { z } from 'zod';
import type { Grant } from './request.ts';

const time = z.union([z.string(), z.date()]).transform((at) => new Date(at).toISOString());

/** A grant as the store has it, with its state by the database's clock. */
export const GRANT = `select g.id, g.kind, g.person, g.target, g.role, g.request, g.duration_ms, g.created_at, g.use_by, g.starts_at,
    g.ends_at, g.ended_at, g.ended_why, g.revoked_by, g.ends, g.reviewers, g.reviewed_at, g.reviewed_by, g.review,
    case when g.ended_at is not null or g.revoked_at is not null or g.ends_at <= clock_timestamp()
           or (g.starts_at is null and g.use_by <= clock_timestamp()) then 'ended'
         when g.starts_at is null then 'waiting'
         when g.starts_at > clock_timestamp() then 'scheduled'
         else 'live' end as state
  from countersign.access_grant g`;

/** What the store gave for `GRANT`, also within JSON. */
export const GrantRow = z
  .object({
    id: z.string(),
    kind: z.enum(['access', 'break-glass']),
    person: z.string(),
    target: z.string(),
    role: z.string(),
    request: z.string().nullable(),
    state: z.enum(['waiting', 'scheduled', 'live', 'ended']),
    // A bigint comes as a string, but not within JSON.
    duration_ms: z.coerce.number(),
    created_at: time,
    use_by: time.nullable(),
    starts_at: time.nullable(),
    ends_at: time.nullable(),
    ended_at: time.nullable(),
    ended_why: z.string().nullable(),
    revoked_by: z.string().nullable(),
    ends: z.enum(['cancel', 'finish']),
    reviewers: z.array(z.string()),
    reviewed_at: time.nullable(),
    reviewed_by: z.string().nullable(),
    review: z.string().nullable(),
  })
  .transform((row): Grant => {
    const { id, kind, person, target, role, state, ends, reviewers } = row;
    return {
      id,
      kind,
      person,
      target,
      role,
      state,
      ends,
      reviewers,
      durationMs: row.duration_ms,
      createdAt: row.created_at,
      ...given('request', row.request),
      ...given('useBy', row.use_by),
      ...given('startsAt', row.starts_at),
      ...given('endsAt', row.ends_at),
      ...given('endedAt', row.ended_at),
      ...given('endedWhy', row.ended_why),
      ...given('revokedBy', row.revoked_by),
      ...given('reviewedAt', row.reviewed_at),
      ...given('reviewedBy', row.reviewed_by),
      ...given('review', row.review),
    };
  });

const given = <K extends string>(name: K, value: string | null): { [k in K]?: string } =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a computed name loses its type
  (value === null ? {} : { [name]: value }) as { [k in K]?: string };
