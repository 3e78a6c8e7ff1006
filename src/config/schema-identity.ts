import { z } from 'zod';
import { duration, email, file, key, name, secret, urlOf } from './keys.ts';

const groups = key(
  z.record(z.string().min(1), key(z.string().min(1), 'Its name in rules.', 'dba')).optional(),
  "The provider's groups that count here, and their names in rules; default: all, under their own names.",
  { 'a1b2-c3d4': 'dba' },
);
const domains = key(
  z.array(z.string().regex(/^[^\s@]+\.[^\s@]+$/, 'a domain has no @')).optional(),
  'E-mail domains that this provider may speak for; compulsory with several providers, so that none can speak for another.',
  ['example.com'],
);
const label = key(z.string().min(1).optional(), 'On the button; default: its name.', 'Acme');
const scim = key(
  z
    .strictObject({
      token: key(
        secret,
        'Secret: the bearer token of the provider, 32 characters at least.',
        '${file:./secrets/scim}',
      ),
    })
    .optional(),
  'Lets the provider tell who comes and goes, under `/scim/NAME/v2`; who it has not told of may then not come.',
  { token: '${file:./secrets/scim}' },
);

const claims = (defaults: {
  readonly email: string;
  readonly name: string;
  readonly groups: string;
}) =>
  z
    .strictObject({
      email: key(z.string().min(1).default(defaults.email), 'The person.', defaults.email),
      name: key(z.string().min(1).default(defaults.name), 'As people read it.', defaults.name),
      groups: key(
        z.string().min(1).default(defaults.groups),
        'A list, or one text; a dot goes into an object: `realm_access.roles`.',
        defaults.groups,
      ),
    })
    .prefault({});

const oidc = z.strictObject({
  protocol: key(z.literal('oidc'), 'OpenID Connect.', 'oidc'),
  label,
  issuer: key(
    urlOf(['https', 'http']),
    'As `iss` in its tokens; http only on this machine. `/.well-known/openid-configuration` is read there.',
    'https://id.example.com',
  ),
  clientId: key(z.string().min(1), 'As registered there.', 'countersign'),
  clientSecret: key(
    secret.optional(),
    'Secret; without it the client is public and proves itself by PKCE alone.',
    '${file:./secrets/oidc}',
  ),
  scopes: key(
    z.array(z.string().min(1)).default(['openid', 'profile', 'email', 'offline_access']),
    'What is asked for; offline_access lets people be looked up again while they work.',
    ['openid', 'profile', 'email', 'groups', 'offline_access'],
  ),
  audience: key(
    z.string().min(1).optional(),
    '`aud` of access tokens that PostgreSQL clients bring (OAUTHBEARER); without it they bring none.',
    'api://countersign',
  ),
  claims: key(
    claims({ email: 'email', name: 'name', groups: 'groups' }),
    "Where the provider's tokens say who it is.",
    { groups: 'roles' },
  ),
  verifiedEmail: key(
    z.enum(['required', 'assumed']).default('required'),
    '`required`: `email_verified` must be true; `assumed` for a provider that has only addresses of its own (Entra ID).',
    'assumed',
  ),
  groups,
  domains,
  clockSkew: key(duration.default('30s'), 'How far clocks may differ.', '1m'),
  ca: key(
    file.optional(),
    'PEM file with the authority of its HTTPS; default: the system’s.',
    './tls/idp-ca.pem',
  ),
  scim,
});

const saml = z.strictObject({
  protocol: key(z.literal('saml'), 'SAML 2.0.', 'saml'),
  label,
  issuer: key(z.string().min(1), "The provider's entity id.", 'https://id.example.com/saml'),
  entryPoint: key(
    urlOf(['https', 'http']),
    'Where people are sent to sign in.',
    'https://id.example.com/sso',
  ),
  cert: key(
    file,
    "PEM file with the provider's signing certificates, old and new.",
    './tls/idp.pem',
  ),
  entityId: key(
    z.string().min(1).optional(),
    'Ours; default: the address of our metadata, `/saml/NAME/metadata`.',
    'https://countersign.example.com/saml/acme/metadata',
  ),
  logoutUrl: key(
    urlOf(['https', 'http']).optional(),
    'Where a sign-out is told.',
    'https://id.example.com/slo',
  ),
  key: key(
    file.optional(),
    'PEM file with our key: signs requests, opens encrypted assertions.',
    './tls/saml.key',
  ),
  certificate: key(
    file.optional(),
    'PEM file with our certificate, for the metadata; with `key`.',
    './tls/saml.pem',
  ),
  idpInitiated: key(
    z.boolean().default(false),
    'Accept sign-ins that nobody asked for here. Whoever can make a browser post can then sign it in as themselves.',
    false,
  ),
  claims: key(
    claims({ email: 'email', name: 'displayName', groups: 'groups' }),
    'Names of attributes; `nameID` is the NameID.',
    { email: 'nameID' },
  ),
  groups,
  domains,
  clockSkew: key(duration.default('30s'), 'How far clocks may differ.', '1m'),
  scim,
});

const embedded = z.strictObject({
  protocol: key(
    z.literal('embedded'),
    "The demo's own provider: the people of this file sign in by a click. Refused with `production: true` and beyond this machine.",
    'embedded',
  ),
  label,
});

const machine = z.strictObject({
  name: key(z.string().min(1), 'As people read it.', 'Deploy job'),
  groups: key(z.array(z.string().min(1)).default([]), '`Group::"…"` in rules.', ['ci']),
  issuer: key(
    urlOf(['https', 'http']),
    'Of its tokens; http only on this machine. Its keys are read there.',
    'https://token.actions.githubusercontent.com',
  ),
  jwks: key(
    urlOf(['https', 'http']).optional(),
    'Where the keys are, for an issuer without discovery (SPIFFE).',
    'https://spire.internal/keys',
  ),
  audience: key(z.string().min(1), '`aud` of its tokens.', 'https://countersign.example.com'),
  claims: key(
    z
      .record(
        z.string().min(1),
        key(
          z.union([z.string(), z.array(z.string()).min(1)]),
          'The value, or several of which one must be it.',
          'acme/shop',
        ),
      )
      .refine(
        (all) => Object.keys(all).length > 0,
        'name at least one claim: else every token of this issuer would fit',
      ),
    'All must be so; a list means any of them. No wildcards.',
    { repository: 'acme/shop', ref: 'refs/heads/main' },
  ),
});

const agent = z.strictObject({
  name: key(z.string().min(1), 'As people read it.', 'Assistant'),
  groups: key(
    z.array(z.string().min(1)).default([]),
    'Of the agent itself; it never gets more than its person.',
    ['agents'],
  ),
  provider: key(name, 'Name of the provider that signs its tokens.', 'acme'),
  clientId: key(
    z.string().min(1),
    'Its client there: `client_id` or `azp` of its tokens.',
    'assistant',
  ),
});

/** Who people, machines and agents are, and how they prove it. */
export const identity = z
  .strictObject({
    production: key(
      z.boolean().default(false),
      'Refuses everything that is only for trying: the embedded provider.',
      true,
    ),
    providers: key(
      z
        .record(
          name,
          key(z.discriminatedUnion('protocol', [oidc, saml, embedded]), 'One provider.', {
            protocol: 'oidc',
            issuer: 'https://id.example.com',
            clientId: 'countersign',
          }),
        )
        .default({}),
      'Where people sign in, by name. With none, people come with tokens that the operator hands out.',
      {
        acme: {
          protocol: 'oidc',
          issuer: 'https://id.example.com',
          clientId: 'countersign',
          clientSecret: '${file:./secrets/oidc}',
        },
      },
    ),
    recheck: key(
      duration.default('15m'),
      'How old what the provider says of a person may be while they work; at most 15m.',
      '5m',
    ),
    sessions: key(
      z
        .strictObject({
          idle: key(
            duration.default('30m'),
            'A console session ends after this time without use.',
            '1h',
          ),
          longest: key(duration.default('12h'), 'And after this time in any case.', '8h'),
        })
        .prefault({}),
      'Sessions of the console.',
      { idle: '1h' },
    ),
    tokens: key(
      z
        .strictObject({
          lifetime: key(
            duration.default('8h'),
            'Of the tokens that people make for themselves.',
            '8h',
          ),
          longest: key(duration.default('7d'), 'Longest they may ask for.', '24h'),
        })
        .prefault({}),
      'Tokens that people make for themselves, in the console or with `countersign login`.',
      { lifetime: '8h' },
    ),
    confirm: key(
      z.enum(['never', 'unknown-password', 'always']).default('never'),
      'Browser confirmation of fresh PostgreSQL connections: `unknown-password`: people without a live token may come with any password and confirm in the console; `always`: everybody confirms.',
      'unknown-password',
    ),
    machines: key(
      z
        .record(
          email,
          key(machine, 'One program.', {
            name: 'Deploy job',
            issuer: 'https://token.actions.githubusercontent.com',
            audience: 'https://countersign.example.com',
            claims: { repository: 'acme/shop' },
          }),
        )
        .default({}),
      'Programs that come with a token of their platform, by the address they are called here. They ask, and never decide.',
      {
        'deploy@machines.example.com': {
          name: 'Deploy job',
          issuer: 'https://token.actions.githubusercontent.com',
          audience: 'https://countersign.example.com',
          claims: { repository: 'acme/shop' },
        },
      },
    ),
    agents: key(
      z
        .record(
          name,
          key(agent, 'One agent.', { name: 'Assistant', provider: 'acme', clientId: 'assistant' }),
        )
        .default({}),
      'Agents that exchange a person’s token for one of their own (RFC 8693).',
      { assistant: { name: 'Assistant', provider: 'acme', clientId: 'assistant' } },
    ),
  })
  .prefault({});
