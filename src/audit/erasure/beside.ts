import type { Sql } from '../../store/database.ts';
import { CHAT_OF_PERSON, chatOfRequests } from './chat.ts';
import { mentionOf } from './filter.ts';
import { counted, type Step } from './step.ts';

/** The card that stays where one was; everything that a reader of `request` asks for. */
const ERASED_CARD = `jsonb_build_object('person', jsonb_build_object('email', 'erased', 'name', 'erased', 'groups', '[]'::jsonb),
  'target', r.card->'target', 'database', '', 'masked', '(erased)', 'hidesWrite', false, 'words', '[]'::jsonb, 'rules', '[]'::jsonb,
  'message', 'erased', 'digest', '', 'client', '', 'application', '')`;

/** Cards of which chat shows one are shown anew: the bot replaces what it had posted. */
const TELL = `insert into countersign.outbox (id, request, version) select gen_random_uuid(), id, version from gone
  where exists (select from countersign.post p where p.request = gone.id and p.ts is not null)`;

/** Requests are known by the secret that goes with the rest. */
const eraseRequests = (which: string): string => `
  with gone as (
    update countersign.request r set version = r.version + 1, person = $2, card = ${ERASED_CARD}, secret = null, alike = null,
      shape = null, rows = null, traceparent = null
    where r.secret is not null and r.state not in ('pending', 'approved', 'running') and (${which})
    returning r.id, r.version),
  told as (${TELL})
  select count(*) from gone`;

/** `records` is a query for the ids of the records; parameters: $1 the erasure, $2 what stands in for a person. */
const ofRecords = (records: string): readonly Step[] => {
  const requests = `select id from countersign.request where record in (${records})`;
  const sessions = (kinds: string): string =>
    `select session from countersign.record_body where id in (${records}) and kind in (${kinds})`;
  const recorded = sessions(`'session-start', 'statement', 'outcome', 'recording'`);
  const whole = sessions(`'session-start'`);
  return [
    ...chatOfRequests(requests),
    {
      what: 'reasons',
      sql: counted(
        `update countersign.decision set reason = '' where reason <> '' and request in (${requests})`,
      ),
    },
    {
      what: 'shapes',
      sql: counted(`delete from countersign.shape where request in (${requests})`),
    },
    {
      what: 'grants',
      sql: counted(
        `delete from countersign.access_grant where ended_at is not null and request in (${requests})`,
      ),
    },
    { what: 'cards', sql: eraseRequests(`r.record in (${records})`) },
    {
      what: 'found by searching',
      sql: counted(`delete from countersign.search_record where id in (${records})`),
    },
    {
      what: 'matches',
      sql: counted(`delete from countersign.search_match where record in (${records})`),
    },
    {
      what: 'chunks',
      sql: counted(`delete from countersign.recording_chunk where session in (${recorded})`),
    },
    {
      what: 'recordings',
      sql: counted(`update countersign.recording set key = null, erased_at = clock_timestamp(), person = $2, agent = null,
        database = null where erased_at is null and session in (${recorded})`),
    },
    {
      what: 'sessions',
      sql: counted(
        `delete from countersign.session where ended_at is not null and id in (${whole})`,
      ),
    },
  ];
};

/** Parameters: $1 the person's key, $2 what stands in for it, $3 what finds a mention. */
const TOKENS = `select id from countersign.token where lower(person) = $1`;
const OF_PERSON: readonly Step[] = [
  ...CHAT_OF_PERSON,
  { what: 'cards', sql: eraseRequests('lower(r.person) = $1') },
  {
    what: 'cards that named the person',
    sql: `with gone as (
        update countersign.request r set version = version + 1,
          card = regexp_replace(card::text, $3, $2, 'gi')::jsonb, rows = case when rows::text ~* $3 then null else rows end
        where card::text ~* $3 or rows::text ~* $3 returning r.id, r.version),
      told as (${TELL}) select count(*) from gone`,
  },
  {
    what: 'decisions',
    sql: counted(
      `update countersign.decision set person = $2, reason = '' where lower(person) = $1`,
    ),
  },
  {
    what: 'reasons',
    sql: counted(
      `update countersign.decision set reason = regexp_replace(reason, $3, $2, 'gi') where reason ~* $3`,
    ),
  },
  { what: 'shapes', sql: counted('delete from countersign.shape where lower(person) = $1') },
  {
    what: 'shapes approved',
    sql: counted(`update countersign.shape set approvers = array(select case when lower(a) = $1 then $2 else a end
        from unnest(approvers) a), revoked_by = case when lower(revoked_by) = $1 then $2 else revoked_by end
      where $1 = any (select lower(a) from unnest(approvers) a) or lower(revoked_by) = $1`),
  },
  { what: 'grants', sql: counted('delete from countersign.access_grant where lower(person) = $1') },
  {
    what: 'grants of others',
    sql: counted(`update countersign.access_grant set
        revoked_by = case when lower(revoked_by) = $1 then $2 else revoked_by end,
        reviewed_by = case when lower(reviewed_by) = $1 then $2 else reviewed_by end,
        review = regexp_replace(review, $3, $2, 'gi'), ended_why = regexp_replace(ended_why, $3, $2, 'gi')
      where lower(revoked_by) = $1 or lower(reviewed_by) = $1 or review ~* $3 or ended_why ~* $3`),
  },
  {
    what: 'certificates',
    sql: counted(`delete from countersign.client_certificate where token in (${TOKENS})`),
  },
  {
    what: 'sign-ins of terminals',
    sql: counted(
      `delete from countersign.device_login where lower(person) = $1 or parent in (${TOKENS})`,
    ),
  },
  {
    what: 'confirmations',
    sql: counted(
      `delete from countersign.confirmation where lower(person) = $1 or parent in (${TOKENS})`,
    ),
  },
  { what: 'tokens', sql: counted('delete from countersign.token where lower(person) = $1') },
  { what: 'sign-ins', sql: counted('delete from countersign.sign_in where lower(person) = $1') },
  {
    what: 'guesses',
    sql: counted('delete from countersign.device_guess where lower(person) = $1'),
  },
  { what: 'questions', sql: counted('delete from countersign.recheck where lower(person) = $1') },
  {
    what: 'SAML sign-ins',
    sql: counted('delete from countersign.saml_flow where said::text ~* $3 or next ~* $3'),
  },
  {
    what: 'SCIM users',
    sql: counted(`delete from countersign.scim_user where lower(email) = $1
      or lower(user_name) = $1 or attributes::text ~* $3`),
  },
  { what: 'people', sql: counted('delete from countersign.person where lower(email) = $1') },
  {
    what: 'sessions',
    sql: counted(
      'delete from countersign.session where lower(person) = $1 and ended_at is not null',
    ),
  },
  {
    what: 'sessions ended',
    sql: counted(`update countersign.session set ended_by = case when lower(ended_by) = $1 then $2 else ended_by end,
        ended_why = regexp_replace(ended_why, $3, $2, 'gi') where lower(ended_by) = $1 or ended_why ~* $3`),
  },
  {
    what: 'views',
    sql: counted('delete from countersign.search_view where lower(owner) = $1'),
  },
  {
    what: 'views that named the person',
    sql: counted(`delete from countersign.search_view where query ~* $3 or name ~* $3`),
  },
  {
    what: 'facets',
    sql: counted(`update countersign.search_facet set key = 'erased ' || id,
        person = case when lower(person) = $1 then $2 else person end,
        decided_by = array(select case when lower(d) = $1 then $2 else d end from unnest(decided_by) d)
      where lower(person) = $1 or $1 = any (select lower(d) from unnest(decided_by) d)`),
  },
  {
    what: 'holds',
    sql: counted(
      `delete from countersign.legal_hold where released_at is not null and (person = $1 or reason ~* $3)`,
    ),
  },
  {
    what: 'holds placed',
    sql: counted(`update countersign.legal_hold set placed_by = case when placed_by = $1 then $2 else placed_by end,
        released_by = case when released_by = $1 then $2 else released_by end
      where placed_by = $1 or released_by = $1`),
  },
  {
    what: 'erasures asked for',
    sql: counted(`update countersign.erasure set by = case when by = $1 then $2 else by end,
        confirmed_by = case when confirmed_by = $1 then $2 else confirmed_by end where by = $1 or confirmed_by = $1`),
  },
];

export type Counts = Record<string, number>;

/** Erases what other tables repeat of these records. `records` is a query for their ids, in which $1 is the erasure. */
export function eraseBeside(
  sql: Sql,
  erasure: string,
  pseudonym: string,
  records: string,
): Promise<Counts> {
  return runAll(sql, ofRecords(records), (text) => parameters(text, [erasure, pseudonym]));
}

/** Erases what is kept of a person outside the records. */
export function erasePersonBeside(sql: Sql, person: string, pseudonym: string): Promise<Counts> {
  const values = [person, pseudonym, mentionOf(person)];
  return runAll(sql, OF_PERSON, (text) => parameters(text, values));
}

/** As many as the text names, each with its type: a step need not use all of them. */
function parameters(text: string, values: readonly string[]): { text: string; values: string[] } {
  const used = values.map((_, i) => text.includes(`$${i + 1}`));
  const numbers = used.map((is, i) => (is ? used.slice(0, i + 1).filter(Boolean).length : 0));
  return {
    text: text.replaceAll(/\$(\d)/gu, (_, n: string) => `$${numbers[Number(n) - 1]}`),
    values: values.filter((_, i) => used[i]),
  };
}

async function runAll(
  sql: Sql,
  steps: readonly Step[],
  bind: (text: string) => { text: string; values: string[] },
): Promise<Counts> {
  const counts: Counts = {};
  await sql.query(`select pg_advisory_xact_lock(hashtext('countersign search'))`);
  for (const { what, sql: text } of steps) {
    // oxlint-disable-next-line no-await-in-loop -- one connection, and their references ask for the order
    const { rows } = await sql.query<{ count: string }>(bind(text));
    const count = Number(rows[0]?.count ?? 0);
    if (count > 0) counts[what] = (counts[what] ?? 0) + count;
  }
  return counts;
}
