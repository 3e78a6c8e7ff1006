import { z } from 'zod';
import type { OwnerLine, Owners } from '../policy/owners.ts';
import { pathText, type ConfigProblem } from './node.ts';
import { parseYaml } from './yaml.ts';

const names = z.array(z.string().min(1)).min(1);
const groups = z.union(
  [
    z
      .string()
      .min(1)
      .transform((one) => [one]),
    names,
  ],
  {
    error: 'write a group, or a list of groups',
  },
);

/** How many names each takes: a table is `target/schema/table`. */
const DEPTH = { table: 3, schema: 2, target: 1, role: 2 } as const;
const KINDS = ['table', 'schema', 'target', 'role'] as const;

const line = z
  .strictObject({
    table: z.string().optional(),
    schema: z.string().optional(),
    target: z.string().optional(),
    role: z.string().optional(),
    groups,
  })
  .transform((one, context): OwnerLine => {
    const said = KINDS.flatMap((of) => {
      const text = one[of];
      return text === undefined ? [] : [{ of, path: text.split('/').map(decoded) }];
    });
    const [first, ...more] = said;
    if (!first || more.length > 0) {
      const message = `names ${first ? 'several' : 'none'} of table, schema, target and role: write one`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
    const { of, path } = first;
    if (path.length !== DEPTH[of] || path.includes('')) {
      const example = ['target', of === 'role' ? 'role' : 'schema', 'table'].slice(0, DEPTH[of]);
      const message = `${of}: is not ${DEPTH[of]} names: write ${example.join('/')}, with * for any part of a name`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
    return { of, path, groups: one.groups };
  });

const fileSchema = z.strictObject({
  default: groups.optional(),
  owners: z.array(line).default([]),
});

/** As in rules, a `/` inside a name is percent-encoded. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

/** What the owners file says, or everything that is wrong with it, by the path of each place. */
export function parseOwners(
  text: string,
): { readonly owners: Owners } | { readonly problems: readonly ConfigProblem[] } {
  const { raw, problems } = parseYaml(text);
  if (problems.length > 0) return { problems };
  const parsed = fileSchema.safeParse(raw);
  if (!parsed.success)
    return {
      problems: parsed.error.issues.map(({ path, message }) => ({
        path: pathText(path.map((key) => (typeof key === 'number' ? key : String(key)))),
        message,
      })),
    };
  const { default: byDefault, owners: lines } = parsed.data;
  return { owners: { text, lines, ...(byDefault && { byDefault }) } };
}
