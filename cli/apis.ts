import { commandEnvironment } from '#src/config/env.ts';
import { openApi, type Api } from './api.ts';
import { demoPerson, readDemo, storedLogin } from './connection.ts';
import { usageFailure } from './failure.ts';
import type { StoredLogin } from './login/stored.ts';

type Given = {
  readonly as?: string | undefined;
  readonly token?: string | undefined;
  readonly api?: string | undefined;
};

/**
 * The API for whoever asks: options win over the environment, the environment over `countersign login`, and that over the
 * demo, as `usual` of its people. Rejects with `Failure` when nobody is known.
 */
export async function apisFor(
  values: Given,
  usual: string,
): Promise<{ readonly reader: Api; readonly decider: Api }> {
  const env = commandEnvironment();
  const demo = await readDemo();
  const login = await storedLogin(values, demo, env);
  const base = values.api ?? env.api ?? ownApi(login) ?? demo?.api;
  if (base === undefined)
    throw usageFailure('no API address', 'set COUNTERSIGN_API or pass --api http://…/api/v1');
  const token = values.token ?? env.token ?? tokenFor(base, login);
  if (token !== undefined) {
    const api = openApi(base, token);
    return { reader: api, decider: api };
  }
  if (!demo)
    throw usageFailure(
      'no access token',
      'countersign login signs you in; or set COUNTERSIGN_TOKEN, or run npm start in this folder',
    );
  const person = demoPerson(demo, values.as ?? usual);
  return {
    reader: openApi(base, person.token),
    decider: openApi(base, person.decideToken ?? person.token),
  };
}

const ownApi = (login: StoredLogin | undefined): string | undefined =>
  login && `${login.gateway}/api/v1`;

/** It goes nowhere but to the gateway that it is of. */
const tokenFor = (base: string, login: StoredLogin | undefined): string | undefined =>
  URL.parse(base)?.origin === login?.gateway ? login?.token : undefined;
