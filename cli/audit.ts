import type { Command } from './command.ts';
import { Failure } from './failure.ts';

export const auditCommand: Command = {
  usage: ['audit'],
  about: '',
  options: {},
  run: () => Promise.reject(new Failure('audit is not there yet')),
};
