import { parseQuery } from '#src/audit/search/query.ts';
import type { Found, FoundPage } from '#src/audit/search/search.ts';
import type { Database } from '#src/store/database.ts';
import type { Act, Answer } from '../desk.ts';
import type { Line, Part, Post } from '../model.ts';
import type { ReviewingOffice } from '../office.ts';
import { oneLine } from '../text.ts';
import { minute, searchLink, VERDICTS } from './summary.ts';

export type FoundParts = {
  readonly db: Pick<Database, 'pool'>;
  readonly office: ReviewingOffice;
  readonly publicUrl: string;
};

const PAGE = 10;
/** So long a list can be paged on. */
const KEPT = `interval '1 hour'`;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The newest records that match, as far as the person may find them. */
export async function searchAnswer(parts: FoundParts, act: Act, q: string): Promise<Answer> {
  const parsed = parseQuery(q, Date.now());
  if (!parsed.ok) return { show: wrongPost(q, parsed.problems) };
  return { show: await pagePost(parts, act, { q }) };
}

/** The page behind a button: its search and place are those of the row, and only whoever searched gets it. */
export async function nextAnswer(parts: FoundParts, act: Act, id: string): Promise<Answer> {
  const { rows } = UUID.test(id)
    ? await parts.db.pool.query<{ q: string; cursor: string }>(
        `select query as q, cursor from countersign.chat_search
         where id = $1 and person = $2 and at > clock_timestamp() - ${KEPT}`,
        [id, act.actor.person.email],
      )
    : { rows: [] };
  const [asked] = rows;
  if (!asked) return { tell: 'This list is over. Search again with /audit.' };
  return { show: await pagePost(parts, act, asked) };
}

async function pagePost(
  parts: FoundParts,
  { actor }: Act,
  { q, cursor }: { readonly q: string; readonly cursor?: string },
): Promise<Post> {
  const { person, account } = actor;
  const asked = { q, limit: PAGE, ...(cursor !== undefined && { cursor }) };
  const page = await parts.office.search(person, asked, account.platform);
  const next =
    page.older === undefined ? undefined : await keep(parts.db, person.email, q, page.older);
  return foundPost(page, { q, publicUrl: parts.publicUrl, next });
}

/** What somebody searched for may be secret itself, so it is kept no longer than it serves. */
export async function forgetSearches({ pool }: Pick<Database, 'pool'>): Promise<void> {
  await pool.query(`delete from countersign.chat_search where at < clock_timestamp() - ${KEPT}`);
}

async function keep(
  { pool }: Pick<Database, 'pool'>,
  person: string,
  q: string,
  cursor: string,
): Promise<string | undefined> {
  const { rows } = await pool.query<{ id: string }>(
    'insert into countersign.chat_search (person, query, cursor) values ($1, $2, $3) returning id',
    [person, q, cursor],
  );
  return rows[0]?.id;
}

type View = { readonly q: string; readonly publicUrl: string; readonly next: string | undefined };

function foundPost({ found }: FoundPage, { q, publicUrl, next }: View): Post {
  const link = searchLink(publicUrl, q);
  if (found.length === 0)
    return {
      summary: 'Nothing that you may see matches.',
      parts: [{ kind: 'text', line: ['Nothing that you may see matches.'] }],
    };
  return {
    summary: `${found.length} records`,
    parts: [
      { kind: 'list', items: found.map((one) => foundLine(one, publicUrl)) },
      {
        kind: 'buttons',
        buttons: [
          ...(next === undefined
            ? []
            : [{ label: 'Next', action: 'audit-next', value: next, hint: 'The next records' }]),
          { label: 'Open in the console', action: 'audit-console', url: link },
        ],
      },
    ],
  };
}

/** When, who, where and what was decided; what it says is read in the console. */
function foundLine({ record, verdicts, decision }: Found, publicUrl: string): Line {
  const { id, at, person, target, kind } = record;
  const what = kind === 'statement' ? '' : `${kind} `;
  const said = decision ?? verdicts.map((one) => VERDICTS[one] ?? one).join(' ');
  const where = target === undefined ? '' : ` on ${oneLine(target)}`;
  return [
    { text: minute(at), at },
    ` ${what}`,
    { text: said, style: 'bold' },
    ` ${oneLine(person ?? '')}${where} `,
    { text: id.slice(0, 8), link: `${publicUrl}/records/${id}` },
  ];
}

type Problem = { readonly at: number; readonly length: number; readonly message: string };
const BEFORE = 40;
const WIDE = 72;

/** What was written, with a mark under what cannot be read, and why; for those who wrote it. */
export function wrongPost(text: string, problems: readonly Problem[]): Post {
  return {
    summary: 'That cannot be read.',
    parts: problems.slice(0, 3).flatMap(({ at, length, message }): Part[] => {
      const from = Math.max(0, at - BEFORE);
      const lead = oneLine(text.slice(from, at));
      const marked = oneLine(text.slice(at, at + length)).slice(0, WIDE);
      const rest = oneLine(text.slice(at + length, from + WIDE));
      const under = `${' '.repeat(lead.length)}${'^'.repeat(Math.max(1, marked.length))}`;
      return [
        { kind: 'code', text: `${lead}${marked}${rest}\n${under}` },
        { kind: 'text', line: [`${message.charAt(0).toUpperCase()}${message.slice(1)}`] },
      ];
    }),
  };
}
