import type { Database } from '#src/store/database.ts';
import { type Activity, placeOf } from './activity.ts';

/** A conversation that the bot takes part in. */
export type Place = {
  readonly tenant: string;
  readonly conversation: string;
  readonly service: string;
  readonly bot: string;
};

const COLUMNS = 'tenant, conversation, service_url as service, bot';

/** Remembers where the bot is and whom it has met: without that Teams lets it say nothing by itself. */
export function openPlaces({ pool }: Pick<Database, 'pool'>) {
  const one = async (text: string, values: readonly string[]): Promise<Place | undefined> => {
    const { rows } = await pool.query<Place>(text, [...values]);
    return rows[0];
  };
  return {
    /** `activity` was verified; nothing is written when it says nothing new. */
    async met(tenant: string, { conversation, from, serviceUrl, recipient }: Activity) {
      const place = placeOf(conversation.id);
      const person = from.aadObjectId;
      const alone = conversation.conversationType === 'personal' ? (person ?? null) : null;
      await pool.query(
        `insert into countersign.teams_place as p (tenant, conversation, person, service_url, bot) values ($1, $2, $3, $4, $5)
           on conflict (tenant, conversation) do update
           set person = coalesce(excluded.person, p.person), service_url = excluded.service_url, bot = excluded.bot, seen_at = clock_timestamp()
           where (p.service_url, p.bot, p.person) is distinct from
             (excluded.service_url, excluded.bot, coalesce(excluded.person, p.person))`,
        [tenant, place, alone, serviceUrl, recipient.id],
      );
      if (person === undefined) return;
      await pool.query(
        `insert into countersign.teams_person as p (tenant, person, conversation, teams_id) values ($1, $2, $3, $4)
           on conflict (tenant, person) do update set conversation = excluded.conversation, teams_id = excluded.teams_id
           where (p.conversation, p.teams_id) is distinct from (excluded.conversation, excluded.teams_id)`,
        [tenant, person, place, from.id],
      );
    },
    /** Teams made this chat with one person. */
    async opened(place: Place, person: string): Promise<void> {
      await pool.query(
        `insert into countersign.teams_place (tenant, conversation, person, service_url, bot) values ($1, $2, $3, $4, $5)
           on conflict do nothing`,
        [place.tenant, place.conversation, person, place.service, place.bot],
      );
    },
    async left(tenant: string, conversation: string): Promise<void> {
      await pool.query(
        'delete from countersign.teams_place where tenant = $1 and conversation = $2',
        [tenant, placeOf(conversation)],
      );
    },
    at: (conversation: string) =>
      one(
        `select ${COLUMNS} from countersign.teams_place where conversation = $1 order by seen_at desc limit 1`,
        [conversation],
      ),
    alone: (tenant: string, person: string) =>
      one(
        `select ${COLUMNS} from countersign.teams_place where tenant = $1 and person = $2 order by seen_at desc limit 1`,
        [tenant, person],
      ),
    /** Any conversation of this tenant: its service serves the whole of it. */
    any: (tenant: string) =>
      one(
        `select ${COLUMNS} from countersign.teams_place where tenant = $1 order by seen_at desc limit 1`,
        [tenant],
      ),
    /** A conversation that this person takes part in, and what Teams calls the person there. */
    async shared(
      tenant: string,
      person: string,
    ): Promise<(Place & { readonly member: string }) | undefined> {
      const { rows } = await pool.query<Place & { readonly member: string }>(
        `select p.tenant, p.conversation, p.service_url as service, p.bot, m.teams_id as member
           from countersign.teams_person m join countersign.teams_place p using (tenant, conversation)
           where m.tenant = $1 and m.person = $2`,
        [tenant, person],
      );
      return rows[0];
    },
  };
}
export type Places = ReturnType<typeof openPlaces>;
