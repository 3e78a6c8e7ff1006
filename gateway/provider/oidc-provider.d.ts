/** What is used here of oidc-provider 9, which brings no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export type Jwk = Readonly<Record<string, unknown>>;

  /** Where models are kept. `expiresIn` is in seconds. */
  export interface Adapter {
    upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void>;
    find(id: string): Promise<AdapterPayload | undefined>;
    findByUserCode(userCode: string): Promise<AdapterPayload | undefined>;
    findByUid(uid: string): Promise<AdapterPayload | undefined>;
    consume(id: string): Promise<void>;
    destroy(id: string): Promise<void>;
    revokeByGrantId(grantId: string): Promise<void>;
  }
  export type AdapterPayload = {
    uid?: string;
    userCode?: string;
    grantId?: string;
    accountId?: string;
    consumed?: unknown;
    [key: string]: unknown;
  };

  /** A client of the provider. */
  export type Client = {
    readonly clientId: string;
    readonly backchannelLogoutUri?: string;
    backchannelLogout(subject: string, sid: string | undefined): Promise<void>;
  };
  export type Session = {
    readonly uid: string;
    readonly accountId?: string;
    readonly authorizations?: Readonly<Record<string, { readonly grantId?: string }>>;
    sidFor(clientId: string): string | undefined;
    grantIdFor(clientId: string): string | undefined;
    destroy(): Promise<void>;
  };
  export type Interaction = {
    readonly uid: string;
    readonly exp: number;
    readonly prompt: { readonly name: string };
    session?: { readonly uid?: string; readonly accountId?: string } | undefined;
    save(seconds: number): Promise<string>;
  };
  export type Grant = {
    addOIDCScope(scope: string): void;
    addResourceScope(resource: string, scope: string): void;
    save(): Promise<string>;
  };

  export type Context = {
    readonly req: IncomingMessage;
    readonly res: ServerResponse;
    status: number;
    type: string;
    body: unknown;
    readonly cookies: { set(name: string, value: null, options: object): void };
    redirect(url: string): void;
    readonly oidc: {
      readonly route: string;
      readonly provider: Provider;
      readonly client: Client;
      readonly session: Session;
      readonly entities: { readonly IdTokenHint?: object };
      readonly params: Readonly<Record<string, string | undefined>>;
      readonly result?: { readonly login?: unknown; readonly consent?: { grantId?: string } };
      readonly requestParamScopes: ReadonlySet<string>;
      readonly resourceServers: Readonly<Record<string, unknown>>;
      readonly account?: { readonly accountId: string };
    };
  };

  export class Provider {
    constructor(issuer: string, configuration: object);
    readonly issuer: string;
    readonly Client: { find(id: string): Promise<Client | undefined> };
    readonly Session: { findByUid(uid: string): Promise<Session | undefined> };
    readonly Grant: {
      new (of: { accountId: string; clientId: string }): Grant;
      find(id: string): Promise<Grant | undefined>;
    };
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    use(middleware: (ctx: Context, next: () => Promise<void>) => Promise<void>): void;
    on(event: string, listener: (ctx: Context, error: Error) => void): this;
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>;
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: object,
    ): Promise<void>;
  }
  export default Provider;

  export const interactionPolicy: {
    base(): { get(name: string): { readonly checks: { add(check: object): void } } };
    Check: {
      new (
        reason: string,
        description: string,
        check: (ctx: Context) => boolean | Promise<boolean>,
      ): object;
      readonly REQUEST_PROMPT: true;
      readonly NO_NEED_TO_PROMPT: false;
    };
  };
}
