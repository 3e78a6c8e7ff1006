import type { Person } from '#src/identity/person.ts';

const person = (name: string, ...groups: string[]): Person => ({
  email: `${name.toLowerCase()}@example.com`,
  name,
  groups,
});
export const people = {
  engineer: person('Engineer', 'engineering'),
  approver: person('Approver', 'engineering', 'dba'),
  approver2: person('Approver2', 'engineering', 'dba'),
  security: person('Security', 'security'),
  stranger: person('Stranger'),
};
