/** Stands for the person's own name at the target: what is before the @ of their address. */
export const LOGIN = '{{person.login}}';
/** What `user` of a target may be: the person's name, with something fixed before or after it. */
export const USER_TEMPLATE = /^[a-z0-9_-]{0,20}\{\{person\.login\}\}[a-z0-9_-]{0,20}$/;
/** Goes into file names, commands and the startup message as it is, so it is letters, digits and little else. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** What is before the @ of an address, in lower case; undefined when it is no plain name. */
export function loginOf(email: string): string | undefined {
  const login = email.slice(0, email.lastIndexOf('@')).toLowerCase();
  return isName(login) ? login : undefined;
}

export function fill(template: string, login: string): string {
  return template.replaceAll(LOGIN, login);
}

export const isName = (text: string): boolean => NAME.test(text);
