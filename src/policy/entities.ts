import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Subject } from '../identity/person.ts';
import { resourceId, type Resource, type ResourceType } from '../statement/effect.ts';
import type { EntityUid } from './cedar.ts';

/** Somebody that rules are asked about, with the entities Cedar needs for it. */
export type Principal = { readonly uid: EntityUid; readonly entities: readonly EntityJson[] };

/** The person; and the agent before it, since an agent may do only what its person may do too. */
export function principalsOf(subject: Subject): readonly Principal[] {
  const { person, agent, roles } = subject;
  const parents = (groups: readonly string[]): EntityUid[] => [
    ...groups.map((id) => ({ type: 'Group', id })),
    ...roles.map((id) => ({ type: 'Role', id })),
  ];
  const uid = { type: 'Person', id: person.email };
  const own = { uid, attrs: { email: person.email }, parents: parents(person.groups) };
  const asPerson = { uid, entities: [own] };
  if (!agent) return [asPerson];
  const agentUid = { type: 'Agent', id: agent.id };
  const attrs = { actsFor: { __entity: uid } };
  const acting = { uid: agentUid, attrs, parents: parents(agent.groups) };
  return [{ uid: agentUid, entities: [acting, own] }, asPerson];
}

/** A resource and its ancestors, nearest first. */
export type Chain = { readonly keys: readonly string[]; readonly entities: readonly EntityJson[] };

export const parentType: Readonly<Record<ResourceType, ResourceType | undefined>> = {
  Column: 'Table',
  Table: 'Schema',
  Function: 'Schema',
  Schema: 'Target',
  Role: 'Target',
  Target: undefined,
};
const depth: Readonly<Record<ResourceType, number>> = {
  Target: 1,
  Schema: 2,
  Role: 2,
  Table: 3,
  Function: 3,
  Column: 4,
};

/** A target's place in the rules. */
export type Home = { readonly name: string; readonly environment: string };

/** Throws when the path is not the target's or not as long as the type says: the rules about ancestors would miss it. */
export function chainOf(resource: Resource, home: Home): Chain {
  if (resource.path[0] !== home.name) throw new Error(`a ${resource.type} of another target`);
  if (resource.path.length !== depth[resource.type])
    throw new Error(
      `a ${resource.type} has ${depth[resource.type]} names, not ${resource.path.length}`,
    );
  const uids: EntityUid[] = [];
  let type: ResourceType | undefined = resource.type;
  for (let path = resource.path; type; type = parentType[type], path = path.slice(0, -1))
    uids.push({ type, id: resourceId({ type, path }) });
  uids.push({ type: 'Environment', id: home.environment });
  return {
    keys: uids.map((uid) => `${uid.type}::${uid.id}`),
    entities: uids.map((uid, at) => ({ uid, attrs: {}, parents: uids.slice(at + 1, at + 2) })),
  };
}

const names = new WeakMap<Resource, { readonly id: string; readonly key: string }>();

/** A resource's entity id and its `Type::id`, remembered: an analysed statement is judged many times. */
export function namesOf(resource: Resource): { readonly id: string; readonly key: string } {
  let found = names.get(resource);
  if (!found) {
    const id = resourceId(resource);
    names.set(resource, (found = { id, key: `${resource.type}::${id}` }));
  }
  return found;
}
