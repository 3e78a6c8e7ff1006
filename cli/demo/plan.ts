import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the demo listens on. Both clusters and the gateway are on 127.0.0.1. */
export type Ports = {
  readonly console: number;
  readonly postgres: number;
  readonly store: number;
  readonly shop: number;
};

/** The products' usual ports; with a base, the base and those that follow it. */
export function portsFrom(base: number | undefined): Ports {
  return base === undefined
    ? { console: 8080, postgres: 6432, store: 5433, shop: 5434 }
    : { console: base, postgres: base + 1, store: base + 2, shop: base + 3 };
}

/** How many ports a base moves, itself included. */
export const PORT_COUNT = 4;

/** Where the demo keeps its files. */
export type Places = {
  /** Read by people and scripts (design, "Fixed from outside"). */
  readonly facts: string;
  /** All the rest. */
  readonly home: string;
  readonly config: string;
  readonly policies: string;
  /** The rules as the demo last wrote them, to tell whether a reader has changed the copy. */
  readonly originalRules: string;
  readonly secrets: string;
  readonly log: string;
};

export const DATA_FOLDER = fileURLToPath(new URL('../../.countersign', import.meta.url));

export function placesIn(folder: string): Places {
  const home = join(folder, 'demo');
  return {
    facts: join(folder, 'demo.json'),
    home,
    config: join(home, 'countersign.yaml'),
    policies: join(home, 'policies'),
    originalRules: join(home, 'shop.cedar.original'),
    secrets: join(home, 'secrets'),
    log: join(home, 'gateway.log'),
  };
}

/** The people of the demo; the key is their name in `demo.json`. */
export const PEOPLE = {
  engineer: { name: 'Engineer', groups: ['engineering'] },
  approver: { name: 'Approver', groups: ['engineering', 'dba'] },
  approver2: { name: 'Second Approver', groups: ['engineering', 'dba'] },
  oncall: { name: 'On-call', groups: ['engineering', 'oncall'] },
  security: { name: 'Security', groups: ['engineering', 'security'] },
  stranger: { name: 'Stranger', groups: [] },
} as const satisfies Record<string, { name: string; groups: readonly string[] }>;

export function emailOf(key: string): string {
  return `${key}@example.com`;
}
