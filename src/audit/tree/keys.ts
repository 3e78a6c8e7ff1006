import { openKeyFile, retiredKeys } from './key-file.ts';
import { openKeyProgram } from './key-program.ts';
import { signingKey, type Keys } from './signing-key.ts';

/** From a file, which is made when it is missing, or from a program that holds them. */
export async function openKeys(
  place: string | readonly [string, ...string[]],
  onError: (text: string) => void,
): Promise<Keys> {
  if (typeof place !== 'string') return openKeyProgram(place, onError);
  return {
    current: signingKey(await openKeyFile(place)),
    retired: (await retiredKeys(place)).map(signingKey),
    close: () => Promise.resolve(),
  };
}
