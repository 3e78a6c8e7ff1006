import { cloud } from './cloud.ts';
import { developer } from './developer.ts';
import { privateKeys } from './keys.ts';
import { messaging } from './messaging.ts';
import { national } from './national.ts';
import { passwords } from './passwords.ts';
import { personal } from './personal.ts';
import type { Rule } from './rule.ts';
import { services } from './services.ts';

/** Every rule. Where two find the same value, the one that stands first here names it. */
export const rules: readonly Rule[] = [
  ...privateKeys,
  ...developer,
  ...cloud,
  ...messaging,
  ...services,
  ...passwords,
  ...personal,
  ...national,
];
