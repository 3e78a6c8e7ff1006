import type { Command } from './command.ts';
import { Failure } from './failure.ts';

export const queryCommand: Command = {
  usage: ['query'],
  about: '',
  options: {},
  run: () => Promise.reject(new Failure('query is not there yet')),
};
