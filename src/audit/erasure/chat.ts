import { counted, type Step } from './step.ts';

/** What stays where a message was; the bot edits the one that was posted. */
const ERASED_POST = `'{"summary":"This message was erased.","parts":[{"kind":"text","line":["This message was erased."]}]}'::jsonb`;
const UUID = `'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'`;

/** What was not posted yet never is. */
const eraseMessages = (which: string): string =>
  counted(`update countersign.chat_message m set post = ${ERASED_POST}, version = m.version + 1, attempts = 0,
      next_at = clock_timestamp(), given_up = case when m.message is null then 'erased' end
    where m.post <> ${ERASED_POST} and (${which})`);

/** Messages about these requests, by the ids in their keys; `requests` is a query for ids. */
const about = (requests: string): string => {
  const ids = `select id::text from countersign.request where id in (${requests})
    union all select id::text from countersign.access_grant where request in (${requests})
    union all select id::text from countersign.question where request in (${requests})
    union all select id::text from countersign.reminder where request in (${requests})`;
  return `substring(m.key from ${UUID}) in (${ids}) or substring(m.thread from ${UUID}) in (${ids})`;
};

const eraseQuestions = (which: string): string =>
  counted(`update countersign.question set text = '(erased)', answer = case when answer is not null then '(erased)' end
    where (text <> '(erased)' or answer <> '(erased)') and (${which})`);

/** `requests` is a query for the ids of requests that are erased. */
export const chatOfRequests = (requests: string): readonly Step[] => [
  { what: 'messages in chat', sql: eraseMessages(about(requests)) },
  { what: 'questions about requests', sql: eraseQuestions(`request in (${requests})`) },
];

const OWN_REQUESTS = `select id from countersign.request where lower(person) = $1`;
const ACCOUNTS = `from countersign.chat_account a where a.person = $1`;
/** By Entra's object ids. */
const IN_TEAMS = `(tenant, person) in (select a.workspace, a.account ${ACCOUNTS} and a.platform = 'teams')`;

/** Before the requests and accounts are gone, by which the rest is found. Parameters: $1 the person's key, $2 what stands in for it, $3 what finds a mention. */
export const CHAT_OF_PERSON: readonly Step[] = [
  {
    what: 'messages in chat',
    sql: eraseMessages(`m.post::text ~* $3 or ${about(OWN_REQUESTS)}
      or (m.platform, m.place) in (select a.platform, 'user:' || a.workspace || '/' || a.account ${ACCOUNTS})`),
  },
  {
    what: 'questions about requests',
    sql: eraseQuestions(`request in (${OWN_REQUESTS}) or lower(person) = $1`),
  },
  {
    what: 'questions that named the person',
    sql: counted(`update countersign.question set text = regexp_replace(text, $3, $2, 'gi'),
        answer = regexp_replace(answer, $3, $2, 'gi'), person = case when lower(person) = $1 then $2 else person end,
        answered_by = case when lower(answered_by) = $1 then $2 else answered_by end
      where lower(person) = $1 or lower(answered_by) = $1 or text ~* $3 or answer ~* $3`),
  },
  {
    what: 'hand-overs',
    sql: counted(`update countersign.hand_over set person = $2 where lower(person) = $1`),
  },
  {
    what: 'reminders',
    sql: counted(`update countersign.reminder set person = $2 where lower(person) = $1`),
  },
  {
    what: 'reactions',
    sql: counted(
      `update countersign.decision set reaction = null where lower(person) = $1 and reaction is not null`,
    ),
  },
  {
    what: 'substitutes',
    sql: counted(`delete from countersign.away where lower(person) = $1 or lower(substitute) = $1`),
  },
  {
    what: 'absences of others',
    sql: counted(`update countersign.away set ended_by = $2 where lower(ended_by) = $1`),
  },
  {
    what: 'decisions for the person',
    sql: counted(`update countersign.decision set stands_for = $2 where lower(stands_for) = $1`),
  },
  {
    what: 'searches in chat',
    sql: counted(`delete from countersign.chat_search where lower(person) = $1 or query ~* $3`),
  },
  {
    what: 'incidents',
    sql: counted(`update countersign.incident set name = regexp_replace(name, $3, $2, 'gi'),
        note = regexp_replace(note, $3, $2, 'gi'),
        started_by = case when lower(started_by) = $1 then $2 else started_by end,
        stopped_by = case when lower(stopped_by) = $1 then $2 else stopped_by end
      where lower(started_by) = $1 or lower(stopped_by) = $1 or name ~* $3 or note ~* $3`),
  },
  {
    what: 'forms in Teams',
    sql: counted(`delete from countersign.teams_form where ${IN_TEAMS} or form::text ~* $3`),
  },
  {
    what: 'people in Teams',
    sql: counted(`delete from countersign.teams_person where ${IN_TEAMS}`),
  },
  {
    what: 'chats in Teams',
    sql: counted(`delete from countersign.teams_place where ${IN_TEAMS}`),
  },
  {
    what: 'links of accounts in chat',
    sql: counted(`delete from countersign.chat_link l where l.person = $1
      or (l.platform, l.workspace, l.account) in (select a.platform, a.workspace, a.account ${ACCOUNTS})`),
  },
  {
    what: 'accounts in chat',
    sql: counted('delete from countersign.chat_account where person = $1'),
  },
];
