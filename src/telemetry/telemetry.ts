import type { Metrics } from './metrics.ts';
import type { Tracing } from './tracing.ts';

/** How the gateway is watched: numbers always, traces where a collector is configured. */
export type Telemetry = { readonly metrics: Metrics; readonly tracing?: Tracing };
