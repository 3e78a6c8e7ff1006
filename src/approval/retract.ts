import { isDeepStrictEqual } from 'node:util';
import { entryFor, Moved } from './moves.ts';
import type { Hint } from './queue.ts';
import type { Reaction } from './request.ts';
import { findRequest } from './rows.ts';
import { touch, type TalkParts } from './talk.ts';

/**
 * Takes back the vote that this reaction was, as long as the request waits: what was decided stays decided. False when
 * there is no such vote.
 */
export async function retract(
  { db, audit, tell }: TalkParts,
  id: string,
  reaction: Reaction,
): Promise<boolean> {
  const found = await findRequest(db.pool, id);
  const vote = found?.request.decisions.find((one) => isDeepStrictEqual(one.reaction, reaction));
  if (!found || !vote || found.request.state !== 'pending') return false;
  let hint: Hint | undefined;
  try {
    await audit.append(
      entryFor(
        found.request,
        'request',
        { event: 'vote-withdrawn', decision: vote.decision, via: reaction.platform },
        vote.person,
      ),
      async (sql) => {
        hint = await touch(sql, id, false);
        const { rowCount } = await sql.query(
          `delete from countersign.decision where request = $1 and person = $2 and reaction = $3::jsonb`,
          [id, vote.person, JSON.stringify(reaction)],
        );
        if (rowCount !== 1) throw new Moved('it was taken back already');
      },
    );
  } catch (error) {
    if (error instanceof Moved) return false;
    throw error;
  }
  tell(hint);
  return true;
}
