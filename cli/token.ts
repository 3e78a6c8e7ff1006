import type { Command } from './command.ts';
import { Failure } from './failure.ts';

export const tokenCommand: Command = {
  usage: ['token'],
  about: '',
  options: {},
  run: () => Promise.reject(new Failure('token is not there yet')),
};
