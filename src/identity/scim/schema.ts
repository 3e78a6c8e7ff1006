/** One attribute as RFC 7643 section 7 describes it. */
export type Attribute = {
  readonly name: string;
  readonly type: 'string' | 'boolean' | 'complex' | 'dateTime';
  readonly description: string;
  readonly multiValued?: boolean;
  /** It cannot be taken away. */
  readonly required?: boolean;
  readonly caseExact?: boolean;
  readonly readOnly?: boolean;
  readonly unique?: boolean;
  readonly subAttributes?: readonly Attribute[];
};

export type Schema = {
  readonly id: string;
  readonly name: 'User' | 'Group';
  readonly endpoint: '/Users' | '/Groups';
  readonly description: string;
  readonly attributes: readonly Attribute[];
};

/** A value of a complex attribute, by the canonical names of its sub-attributes. */
export type Complex = Readonly<Record<string, string | boolean>>;
export type Value = string | boolean | Complex | readonly Complex[];
/** By the canonical names of the schema's attributes; nothing else is ever in it. */
export type Attributes = Readonly<Record<string, Value>>;

const id: Attribute = {
  name: 'id',
  type: 'string',
  description: 'Ours, for ever.',
  caseExact: true,
  readOnly: true,
};
const externalId: Attribute = {
  name: 'externalId',
  type: 'string',
  description: "The provider's own key.",
  caseExact: true,
};
const meta: Attribute = {
  name: 'meta',
  type: 'complex',
  description: 'When it was made and changed.',
  readOnly: true,
  subAttributes: [
    { name: 'resourceType', type: 'string', description: 'User or Group.', readOnly: true },
    { name: 'created', type: 'dateTime', description: 'When it was made.', readOnly: true },
    { name: 'lastModified', type: 'dateTime', description: 'When it changed.', readOnly: true },
    { name: 'location', type: 'string', description: 'Its address.', readOnly: true },
  ],
};
const text = (name: string, description: string): Attribute => ({
  name,
  type: 'string',
  description,
});

/**
 * What is kept of a user: what decides who it is and whether they may come, and the name. Telephone numbers, addresses
 * and what else a provider may send are not kept.
 */
export const USER: Schema = {
  id: 'urn:ietf:params:scim:schemas:core:2.0:User',
  name: 'User',
  endpoint: '/Users',
  description: 'A person.',
  attributes: [
    id,
    externalId,
    {
      name: 'userName',
      type: 'string',
      description: 'How the provider calls the person.',
      required: true,
      unique: true,
    },
    text('displayName', 'As people read it.'),
    {
      name: 'name',
      type: 'complex',
      description: 'Where there is no displayName.',
      subAttributes: [
        text('formatted', 'The whole name.'),
        text('familyName', 'Family name.'),
        text('givenName', 'Given name.'),
      ],
    },
    {
      name: 'emails',
      type: 'complex',
      multiValued: true,
      description: 'The primary one is the person here; without any it is userName.',
      subAttributes: [
        text('value', 'The address.'),
        text('type', 'Such as work.'),
        { name: 'primary', type: 'boolean', description: 'At most one is.' },
      ],
    },
    {
      name: 'active',
      type: 'boolean',
      description: 'False ends everything of this person at once.',
      required: true,
    },
    meta,
  ],
};

export const GROUP: Schema = {
  id: 'urn:ietf:params:scim:schemas:core:2.0:Group',
  name: 'Group',
  endpoint: '/Groups',
  description: 'A group of persons.',
  attributes: [
    id,
    externalId,
    {
      name: 'displayName',
      type: 'string',
      description: 'How the provider calls the group.',
      required: true,
      unique: true,
    },
    {
      name: 'members',
      type: 'complex',
      multiValued: true,
      description: 'The users in it; groups within groups are not taken.',
      subAttributes: [
        { name: 'value', type: 'string', description: 'The id of a user.', caseExact: true },
        text('display', 'Their userName; read only.'),
        text('type', 'User.'),
      ],
    },
    meta,
  ],
};

/** Names of attributes know no case (RFC 7643 section 2.1). */
export function attributeOf(
  attributes: readonly Attribute[] | undefined,
  name: string,
): Attribute | undefined {
  const lower = name.toLowerCase();
  return attributes?.find((one) => one.name.toLowerCase() === lower);
}

/** As `/Schemas` shows it (RFC 7643 section 7). */
export function schemaResource(schema: Schema, location: string): object {
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
    id: schema.id,
    name: schema.name,
    description: schema.description,
    // Both are there with every resource and in no schema (RFC 7643 section 3.1).
    attributes: schema.attributes
      .filter(({ name }) => name !== 'meta' && name !== 'id' && name !== 'externalId')
      .map(described),
    meta: { resourceType: 'Schema', location },
  };
}

function described(attribute: Attribute): object {
  const { name, type, description, subAttributes } = attribute;
  return {
    name,
    type,
    description,
    multiValued: attribute.multiValued ?? false,
    required: attribute.required ?? false,
    caseExact: attribute.caseExact ?? false,
    mutability: attribute.readOnly ? 'readOnly' : 'readWrite',
    returned: 'default',
    uniqueness: attribute.unique ? 'server' : 'none',
    ...(subAttributes && { subAttributes: subAttributes.map(described) }),
  };
}
