import type { HttpDeps } from '../api/deps.ts';
import type { Failures } from '../api/failures.ts';
import type { Guard } from './guard.ts';
import type { Render } from './render.ts';
import type { SignIns } from './sign-ins.ts';

/** What the console's routes share. */
export type ConsoleParts = {
  readonly deps: HttpDeps;
  readonly guard: Guard;
  readonly signIns: SignIns;
  readonly failures: Failures;
  readonly render: Render;
};
