import { at, pathText, type ConfigProblem, type Path } from './node.ts';
import { LOGIN } from './person-login.ts';
import { secretProblem, type Surroundings } from './secrets.ts';

/** Whether people log in to this target as roles of their own. */
export const isPersonal = (raw: unknown, target: string): boolean =>
  typeof at(raw, 'targets', target, 'user') === 'string';

/** A text in which somebody stands for the person. */
export const anybodys = (value: string): string => value.replaceAll(LOGIN, 'login');

/** What a person's secret is cannot be looked up for nobody; how it is referred to can be seen. */
export async function personalSecretProblem(
  raw: unknown,
  path: Path,
  value: string,
  around: Surroundings,
): Promise<string | undefined> {
  if (!value.includes(LOGIN)) return secretProblem(value, around);
  const [first, name = '', last] = path.map(String);
  if (path.length !== 3 || first !== 'targets' || last !== 'password' || !isPersonal(raw, name))
    return `${LOGIN} stands for somebody only in password, tls.cert and tls.key of a target with user`;
  return /^\$\{(file|command):[^}]+\}$/.test(anybodys(value))
    ? undefined
    : 'is not ${file:path} or ${command:…}: a person’s secret comes from one of these';
}

/** Of a file that each person has their own of: whether one may stand there. */
export function personalFileProblems(raw: unknown, path: Path): ConfigProblem[] {
  const [, name = '', , part] = path.map(String);
  if (isPersonal(raw, name) && part !== 'ca') return [];
  return [{ path: pathText(path), message: `${LOGIN} stands for nobody here` }];
}
