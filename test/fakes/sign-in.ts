import { ScriptedBrowser, type Visited } from './idp/browser.ts';
import type { Idp } from './idp.ts';

/** Signs in to a running console by this provider. Resolves with the browser and the page that it lands on. */
export async function signInBy(
  publicUrl: string,
  { idp, name, email }: { readonly idp: Idp; readonly name: string; readonly email: string },
  browser = new ScriptedBrowser(),
): Promise<Visited & { readonly browser: ScriptedBrowser }> {
  const start = await browser.go(`${publicUrl}/sign-in/${name}`, publicUrl);
  if (!start.left) throw new Error(`no way to the provider: ${start.status} ${start.html}`);
  const back = await idp.signIn(start.url, email);
  return { ...(await browser.go(back, publicUrl)), browser };
}

/** What the gateway's addresses are at the provider. */
export const registration = (publicUrl: string, name: string) => ({
  redirectUris: [`${publicUrl}/sign-in/${name}/callback`],
  postLogoutRedirectUris: [`${publicUrl}/sign-in`],
  backchannelLogoutUri: `${publicUrl}/sign-in/${name}/logout`,
});
