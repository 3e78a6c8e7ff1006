import type { Directory, Person, Standing } from '../identity/person.ts';
import type { Database } from '../store/database.ts';
import { isColleague, standsInFor } from './away.ts';

/** Who is on call now. */
export type OnCall = {
  /** `oncall:<name>` of each rota by which this person is on call. A rota that cannot be asked names nobody. */
  of(email: string): Promise<readonly string[]>;
};

/**
 * The directory of those who decide: people with what they stand for beside their groups. Of an absent colleague it is
 * the groups that this one has in the directory at this moment, not what they stand for themselves: nobody hands on what
 * was handed to them.
 */
export function openStanding({
  db,
  directory,
  onCall,
}: {
  readonly db: Database;
  readonly directory: Directory;
  readonly onCall: OnCall;
}): Directory {
  return {
    async find(email) {
      const person = await directory.find(email);
      if (!person || person.machine) return person;
      const [duties, absent] = await Promise.all([
        onCall.of(person.email),
        standsInFor(db.pool, person.email),
      ]);
      const others = await Promise.all(absent.map((each) => directory.find(each)));
      const stands: Standing[] = [
        ...duties.map((group) => ({ group })),
        ...others.flatMap((one) => (one ? handedTo(person, one) : [])),
      ];
      return stands.length > 0 ? { ...person, stands } : person;
    },
  };
}

/** Only while they are colleagues. */
function handedTo(person: Person, absent: Person): readonly Standing[] {
  if (absent.machine || !isColleague(person, absent)) return [];
  return absent.groups.map((group) => ({ group, for: absent.email }));
}
