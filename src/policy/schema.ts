import type { GrantAction } from '../statement/effect.ts';

/**
 * The vocabulary of rules, the same for every target. The tables and columns a target really has are checked beside
 * it (`check.ts`), because Cedar knows entities by id only.
 */
export const schemaText = `entity Group;
entity Environment;
entity Target in [Environment];
entity Role in [Target];                       // "<target>/<role>": a Grant makes a Person a member of it until the grant ends
entity Person in [Group, Role] { email: String };
entity Agent in [Group, Role] { actsFor: Person };
entity Schema in [Target];
entity Table in [Schema, Target];
entity Function in [Schema, Target];
entity Column in [Table];

type Facts = {
  statement: String,                           // class, e.g. "update"
  bounded: Bool,                               // every write has a predicate
  appends: Bool,                               // an INSERT or COPY, and every row that it writes is a new one
  escape?: Set<String>,                        // ways out of the tables that rules speak of: "program", "code", …
  rows?: Long,                                 // estimate, where there is one
  minutes?: Long,                              // how long a role is asked for
  reason?: String,
  purpose?: String,
  inTransaction: Bool,
  agent: Bool,
  hour: Long,                                  // 0 to 23, in the target's time zone
  weekday: Long,                               // 1 = Monday
  time: Long,                                  // 0 to 2359: 830 is 08:30
  date: Long,                                  // 20261224 is December 24, 2026
};
action connect appliesTo { principal: [Person, Agent], resource: [Target], context: Facts };
action read, write, delete appliesTo { principal: [Person, Agent], resource: [Table], context: Facts };
action define appliesTo { principal: [Person, Agent], resource: [Table, Schema, Target], context: Facts };
action administer appliesTo { principal: [Person, Agent], resource: [Target], context: Facts };
action execute appliesTo { principal: [Person, Agent], resource: [Function], context: Facts };
action reveal, filter, join, assign appliesTo { principal: [Person, Agent], resource: [Column], context: Facts };
action "request", "break-glass" appliesTo { principal: [Person, Agent], resource: [Role], context: Facts };
`;

/** To ask for a role, and to take one at once. Only a permit that names them permits them: power grows by them. */
export const grantActions = ['request', 'break-glass'] as const satisfies readonly GrantAction[];
export const isGrantAction = (action: string): action is GrantAction =>
  action === 'request' || action === 'break-glass';

/** What `context` holds; the names of `Facts` above. */
export const factNames = [
  'statement',
  'bounded',
  'appends',
  'escape',
  'rows',
  'minutes',
  'reason',
  'purpose',
  'inTransaction',
  'agent',
  'hour',
  'weekday',
  'time',
  'date',
] as const;
export type FactName = (typeof factNames)[number];
