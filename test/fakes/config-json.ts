import type { Config } from '#src/config/config.ts';

/** A configuration for another process: passwords as texts and maps as lists. */
export async function asJson(config: Config): Promise<string> {
  const targets = await Promise.all(
    [...config.targets].map(async ([name, target]) => {
      const password = await target.password();
      const analyser = { ...target.analyser, password: await target.analyser.password() };
      return [name, { ...target, password, analyser }] as const;
    }),
  );
  return JSON.stringify({ ...config, targets: new Map(targets) }, (_, value: unknown) =>
    value instanceof Map ? { map: [...value] } : value,
  );
}

export function fromJson(text: string): Config {
  return JSON.parse(text, (key: string, value: unknown) => {
    if (key === 'password') return () => Promise.resolve(value);
    if (value instanceof Object && Object.hasOwn(value, 'map'))
      return new Map((value as { map: [string, unknown][] }).map);
    return value;
  }) as Config;
}
