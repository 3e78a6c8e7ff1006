import type { Sql } from '../store/database.ts';

/** Some of these people were deactivated, or are gone at their provider. */
export class Gone extends Error {
  readonly people: readonly string[];
  constructor(people: readonly string[]) {
    super('somebody of these was let go');
    this.people = people;
  }
}

/** Whoever is let go at this moment waits for this transaction, or it finds them gone; at whichever gateway. Throws Gone. */
export async function demandActive(sql: Sql, people: readonly string[]): Promise<void> {
  const { rows } = await sql.query<{ email: string; state: string }>(
    'select email, state from countersign.person where email = any ($1) order by email for share',
    [people],
  );
  const gone = rows.filter(({ state }) => state !== 'active').map(({ email }) => email);
  if (gone.length > 0) throw new Gone(gone);
}
