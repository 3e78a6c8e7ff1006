/** Scopes that Slack asks for, by Web API method; of a list, any one is enough. From Slack's method reference. */
export const METHOD_SCOPES: Readonly<Record<string, readonly string[]>> = {
  'auth.test': [],
  'chat.postMessage': ['chat:write'],
  'chat.update': ['chat:write'],
  'chat.postEphemeral': ['chat:write'],
  'conversations.history': ['channels:history', 'groups:history'],
  'users.info': ['users:read'],
  'views.open': [],
};

/** What a field of an answer needs beside its method's scope. */
export const FIELD_SCOPES = { 'users.info profile.email': 'users:read.email' };

/** Methods that an app-level token calls, which is made by hand: a manifest holds no scopes of it. */
export const APP_METHOD_SCOPES: Readonly<Record<string, readonly string[]>> = {
  'apps.connections.open': ['connections:write'],
};
