import type { Command } from './command.ts';
import { Failure } from './failure.ts';

export const serveCommand: Command = {
  usage: ['serve'],
  about: '',
  options: {},
  run: () => Promise.reject(new Failure('serve is not there yet')),
};
