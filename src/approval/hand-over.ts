import { randomUUID } from 'node:crypto';
import type { Person } from '../identity/person.ts';
import type { Request } from './request.ts';
import { notSaid, Refused, take, type NotSaid, type Talk, type TalkParts } from './talk.ts';
import { groupsNamed, stageOf } from './asked.ts';
import { countNow } from './count.ts';
import { authority, sameKey } from './tally.ts';

const MOST = 5;
const REMIND_MINUTES = 5;

/**
 * Hand-overs never loosen: another group is told, or has to agree beside those that the rules name. The record has what
 * was asked for at first, and each that came to it.
 */
export function openHandOver(parts: TalkParts): Pick<Talk, 'others' | 'handOver' | 'remind'> {
  return {
    others(request) {
      const asked = groupsNamed(request);
      return parts.groups().filter((group) => !asked.includes(group));
    },
    handOver: (id, person, group, via) =>
      take(parts, id, person, (request, who) => {
        const no = cannot(parts, request, who, group);
        if (no) return no;
        // It is asked together with those who are asked now.
        const stage = request.stage === undefined ? {} : { stage: request.stage };
        const agrees = request.requirement.handOver?.includes(group) === true;
        return {
          body: { event: 'handed-over', group, agrees, via },
          async change(sql, record, by) {
            const { rows } = await sql.query<{ told: string[] }>(
              `select array(select "group" from countersign.hand_over where request = $1) as told`,
              [id],
            );
            const told = rows[0]?.told ?? [];
            if (told.includes(group) || told.length >= MOST)
              throw new Refused(
                notSaid('too-many', `It was handed over to ${told.join(', ')} already.`),
              );
            await sql.query(
              `insert into countersign.hand_over (request, "group", person, via, agrees, record)
               values ($1, $2, $3, $4, $5, $6)`,
              [id, group, by, via, agrees, record],
            );
            if (agrees)
              await sql.query(
                `update countersign.request set requirement = jsonb_set(requirement, '{groups}',
                   requirement->'groups' || $2::jsonb)
                 where id = $1`,
                [id, JSON.stringify([{ group, quorum: 1, ...stage }])],
              );
          },
        };
      }),
    remind: (id, person, via) =>
      take(parts, id, person, async (request) => {
        const missing = await missingOf(parts, request);
        if (missing.length === 0)
          return notSaid('not-valid', 'It waits for nobody’s approval: there is nobody to remind.');
        return {
          body: { event: 'reminded', groups: missing, via },
          async change(sql, record, by) {
            const { rows } = await sql.query<{ seconds: string }>(
              `select extract(epoch from max(at) + $2 * interval '1 minute' - clock_timestamp()) as seconds
               from countersign.reminder where request = $1`,
              [id, REMIND_MINUTES],
            );
            const seconds = Math.ceil(Number(rows[0]?.seconds ?? 0));
            if (seconds > 0)
              throw new Refused(
                notSaid('too-soon', `They were reminded already. Try again in ${seconds} s.`),
              );
            await sql.query(
              `insert into countersign.reminder (id, request, person, via, groups, record)
               values ($1, $2, $3, $4, $5, $6)`,
              [randomUUID(), id, by, via, missing, record],
            );
          },
        };
      }),
  };
}

function cannot(
  { groups }: TalkParts,
  request: Request,
  person: Person,
  group: string,
): NotSaid | undefined {
  const { card, requirement } = request;
  if (sameKey(person.email) === sameKey(card.person.email))
    return notSaid('own-request', 'You asked for this yourself: who decides it hands it over.');
  if (authority(request, person).length === 0)
    return notSaid('not-yours', 'Only who can decide it hands it over.');
  if (requirement.groups.some((asked) => asked.group === group))
    return notSaid('not-valid', `${group} is asked to decide it already.`);
  return groups().includes(group)
    ? undefined
    : notSaid('not-valid', `There is no group ${group} in the configuration.`);
}

/** Groups whose turn it is, and that have not agreed yet: by what those who voted may decide now. */
async function missingOf({ directory }: TalkParts, request: Request): Promise<readonly string[]> {
  const { missing, stage } = await countNow(directory, request);
  return missing.filter((one) => stageOf(one) === stage).map(({ group }) => group);
}
