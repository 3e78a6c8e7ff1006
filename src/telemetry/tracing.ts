import type { Attributes, SpanContext, Tracer } from '@opentelemetry/api';
import type { SpanExporter } from '@opentelemetry/sdk-trace-base';

/** What a span may say. Ids, names of the configuration and words of fixed lists: never a text, a value or an address. */
export type Facts = {
  readonly target?: string;
  readonly session?: string;
  readonly statement?: string;
  readonly request?: string;
  readonly verdict?: 'allow' | 'hold' | 'deny';
  /** State in which a wait ended. */
  readonly state?: string;
  readonly via?: 'api' | 'console' | 'slack' | 'teams';
  readonly decision?: 'approve' | 'deny';
  /** SQLSTATE, or a refusal's code. */
  readonly code?: string;
};

export type Span = {
  /** W3C Trace Context, for another process or a later time. */
  readonly traceparent: string;
  /** Ends it, once; `failed` marks it as an error. */
  end(facts?: Facts, failed?: boolean): void;
};

type SpanName = 'statement' | 'hold' | 'run' | 'card' | 'decide';

export type Tracing = {
  /** `parent` is a span, or the traceparent that came with a request. `since`: it began then (ms since the epoch). */
  start(name: SpanName, facts: Facts, parent?: Span | string, since?: number): Span;
  /** Keeps a span for whoever gets `key` later. */
  carry(key: object, span: Span): void;
  carried(key: object): Span | undefined;
  /** Sends what is left, for 2 s at most. */
  close(): Promise<void>;
};

export type TracingOptions = {
  /** Address of an OTLP/HTTP receiver; `/v1/traces` is added when it is not there. */
  readonly otlp: string;
  /** Share of the statements that are traced, 0 to 1. */
  readonly sample: number;
  /** Name of the installation. */
  readonly name: string;
  readonly onError: (error: Error) => void;
  /** For tests, in place of OTLP. */
  readonly exporter?: SpanExporter;
};

const CLOSE_MS = 2_000;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Opens the way to a trace collector. The SDK is loaded only here, so that it costs nothing where nobody traces. */
export async function openTracing(options: TracingOptions): Promise<Tracing> {
  const [api, sdk, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = watched(options.exporter ?? (await otlpExporter(options.otlp)), options.onError);
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'countersign',
      'service.instance.id': options.name,
    }),
    sampler: new sdk.ParentBasedSampler({
      root: new sdk.TraceIdRatioBasedSampler(options.sample),
    }),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter, { exportTimeoutMillis: CLOSE_MS })],
  });
  const tracer: Tracer = provider.getTracer('countersign');
  const carried = new WeakMap<object, Span>();
  return {
    start(name, facts, parent, since) {
      const of = contextOf(typeof parent === 'string' ? parent : parent?.traceparent);
      const context = of ? api.trace.setSpanContext(api.ROOT_CONTEXT, of) : api.ROOT_CONTEXT;
      const begun = since === undefined ? {} : { startTime: since };
      const span = tracer.startSpan(name, { attributes: attributesOf(facts), ...begun }, context);
      const { traceId, spanId, traceFlags } = span.spanContext();
      return {
        traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
        end(more = {}, failed = false) {
          span.setAttributes(attributesOf(more));
          if (failed) span.setStatus({ code: api.SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
    carry: (key, span) => void carried.set(key, span),
    carried: (key) => carried.get(key),
    async close() {
      await Promise.race([provider.shutdown().catch(() => undefined), pause(CLOSE_MS)]);
    },
  };
}

async function otlpExporter(otlp: string): Promise<SpanExporter> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const url = otlp.replace(/\/+$/, '');
  return new OTLPTraceExporter({ url: url.endsWith('/v1/traces') ? url : `${url}/v1/traces` });
}

/** A collector that is away loses traces and nothing else; it is said once until it is back. */
function watched(exporter: SpanExporter, onError: (error: Error) => void): SpanExporter {
  let away = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined;
        if (failed && !away) onError(new Error('traces are not taken by the collector'));
        away = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

function contextOf(traceparent: string | undefined): SpanContext | undefined {
  const found = traceparent === undefined ? undefined : TRACEPARENT.exec(traceparent);
  const [, traceId, spanId, flags] = found ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags ?? '0', 16), isRemote: true };
}

function attributesOf(facts: Facts): Attributes {
  return Object.fromEntries(
    Object.entries(facts).map(([key, value]) => [`countersign.${key}`, value]),
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
