import { z } from 'zod';
import type { Database } from '#src/store/database.ts';
import type { Account, Place } from '../desk.ts';
import type { Form } from '../model.ts';

export type OpenForm = { readonly id: string; readonly form: Form; readonly place: Place };

/**
 * Forms that are open in Teams, for a day: what comes back is only the form's id with the answers, and only from
 * whoever it was shown to.
 */
export function openForms({ pool }: Pick<Database, 'pool'>) {
  return {
    async add({ workspace, user }: Account, form: Form, place: Place): Promise<string> {
      const { rows } = await pool.query<{ id: string }>(
        `with old as (delete from countersign.teams_form where at < clock_timestamp() - interval '1 day')
         insert into countersign.teams_form (tenant, person, form, place) values ($1, $2, $3, $4) returning id`,
        [workspace, user, JSON.stringify(form), JSON.stringify(place)],
      );
      const [row] = rows;
      if (!row) throw new Error('the store gave no id for a form');
      return row.id;
    },
    async find({ workspace, user }: Account, id: string): Promise<OpenForm | undefined> {
      if (!z.uuid().safeParse(id).success) return undefined;
      const { rows } = await pool.query<OpenForm>(
        'select id, form, place from countersign.teams_form where id = $1 and tenant = $2 and person = $3',
        [id, workspace, user],
      );
      return rows[0];
    },
  };
}
export type Forms = ReturnType<typeof openForms>;
