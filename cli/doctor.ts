import type { Command } from './command.ts';
import { Failure } from './failure.ts';

export const doctorCommand: Command = {
  usage: ['doctor'],
  about: '',
  options: {},
  run: () => Promise.reject(new Failure('doctor is not there yet')),
};
