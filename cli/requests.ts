import type { Command } from './command.ts';
import { Failure } from './failure.ts';

export const requestsCommand: Command = {
  usage: ['requests'],
  about: '',
  options: {},
  run: () => Promise.reject(new Failure('requests is not there yet')),
};
