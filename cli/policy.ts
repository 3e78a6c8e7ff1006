import type { Command } from './command.ts';
import { Failure } from './failure.ts';

export const policyCommand: Command = {
  usage: ['policy'],
  about: '',
  options: {},
  run: () => Promise.reject(new Failure('policy is not there yet')),
};
