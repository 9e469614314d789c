import type * as OpenTelemetry from '@opentelemetry/api';
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api';
import { messageOf, ServiceDiscoveryError, snakeCase } from '../common/index.js';
import {
  type AttemptOutcome,
  type AttemptSpan,
  type CallSpan,
  type CallTracer,
  type TracedAttempt,
  type TracedCall,
} from '../communicator/index.js';
import {
  baseUrlOf,
  type EventIds,
  type EventName,
  type EventSink,
  type ServiceDiscoveryEvents,
} from '../model/index.js';

type Payload<Name extends EventName> = ServiceDiscoveryEvents[Name] & EventIds;

interface Loaded {
  readonly api: typeof OpenTelemetry;
  readonly tracer: Tracer;
}

export interface OpenTelemetryTracerDeps {
  /** Called if an SDK is there, but `@opentelemetry/api` cannot be loaded. @default nothing */
  readonly onUnavailable?: (error: unknown) => void;
}

const SCOPE = 'nest-service-discovery';

/** Read by SDKs: where it is set, instrumentation makes no spans and adds no headers. */
const SUPPRESSED = 'OpenTelemetry SDK Context Key SUPPRESS_TRACING';

/** The events of a call that its span shows as events; the others are spans and attributes. */
const SPAN_EVENTS: ReadonlySet<EventName> = new Set<EventName>([
  'call.passed_over',
  'call.refused',
  'call.retried',
  'call.retry_budget_exhausted',
  'call.hedged',
  'call.failed_over',
  'call.answered_stale',
]);

/** What the API names otherwise, or the span shows itself. */
const ATTRIBUTE_NAMES: Readonly<Record<string, string | undefined>> = {
  service: undefined,
  instanceId: 'service_discovery.instance',
};

/**
 * Makes OpenTelemetry spans of calls: an `INTERNAL` span for each call and, by the semantic conventions for HTTP clients, a
 * `CLIENT` span for each attempt. Until an SDK has registered itself it makes none, and does not load
 * `@opentelemetry/api`.
 */
export class OpenTelemetryTracer implements CallTracer {
  private loaded: Loaded | undefined;
  /** The tracer provider that `loaded` is of. */
  private provider: unknown;
  private loading: Promise<void> | undefined;

  constructor(private readonly deps: OpenTelemetryTracerDeps = {}) {
    // So that the first call finds it loaded: an SDK is usually registered before the app is loaded.
    this.ready();
  }

  /** Waits for `@opentelemetry/api`, if it is being loaded. Calls made before are not traced. */
  async load(): Promise<void> {
    this.ready();
    await this.loading;
  }

  startCall(call: TracedCall): CallSpan | undefined {
    const loaded = this.ready();
    if (!loaded) return undefined;
    const { api, tracer } = loaded;
    const { service, method, template, startedAt: startTime, carried } = call;
    const attributes = { 'service_discovery.service': service, ...requestAttributes(call) };
    const active = api.context.active();
    // Without instrumentation of the server, the caller's span is known by its headers only.
    const parent = carried && !api.trace.getSpan(active) ? api.propagation.extract(active, carried) : active;
    const name = template === undefined ? `${service} ${method}` : `${service} ${method} ${template}`;
    const span = tracer.startSpan(name, { kind: api.SpanKind.INTERNAL, attributes, startTime }, parent);
    return new TracedCallSpan(loaded, span, api.trace.setSpan(parent, span), call);
  }

  async withFallback<T>(service: string, events: EventSink, run: (events: EventSink) => Promise<T>): Promise<T> {
    const loaded = this.ready();
    if (!loaded) return run(events);
    const { api, tracer } = loaded;
    const attributes = { 'service_discovery.service': service };
    const span = tracer.startSpan(`${service} with fallback`, { kind: api.SpanKind.INTERNAL, attributes });
    try {
      const context = api.trace.setSpan(api.context.active(), span);
      return await api.context.with(context, run, undefined, new SpanEvents(span, events));
    } catch (error) {
      fail(api, span, error);
      throw error;
    } finally {
      span.end();
    }
  }

  /** Undefined without an SDK, and until the API is loaded. */
  private ready(): Loaded | undefined {
    const provider = registeredProvider();
    if (provider === this.provider) return this.loaded;
    this.provider = provider;
    this.loaded = undefined;
    if (provider !== undefined) this.loading = this.use(provider);
    return undefined;
  }

  private async use(provider: unknown): Promise<void> {
    try {
      const api = await import('@opentelemetry/api');
      if (provider === this.provider) this.loaded = { api, tracer: api.trace.getTracer(SCOPE) };
    } catch (error) {
      this.deps.onUnavailable?.(error);
    }
  }
}

/**
 * What an SDK has registered; undefined: there is none. All copies of `@opentelemetry/api` share this place, and reading it
 * needs none of them: the package is often installed, by others, where there is no SDK.
 */
function registeredProvider(): unknown {
  const global = globalThis as Readonly<Record<symbol, { readonly trace?: unknown } | undefined>>;
  return global[Symbol.for('opentelemetry.js.api.1')]?.trace;
}

/** Passes on events with the ids of a span, which shows some of them. */
class SpanEvents implements EventSink {
  private readonly ids: EventIds;

  constructor(
    protected readonly span: Span,
    private readonly events: EventSink,
  ) {
    const { traceId, spanId } = span.spanContext();
    // A span that is not recorded cannot be looked up.
    this.ids = span.isRecording() ? { traceId, spanId } : { traceId };
  }

  emit<Name extends EventName>(type: Name, payload: Payload<Name>): void {
    if (SPAN_EVENTS.has(type) && this.span.isRecording()) this.span.addEvent(type, eventAttributes(payload));
    // The payload becomes the event.
    this.events.emit(type, Object.assign(payload, this.ids));
  }
}

class TracedCallSpan extends SpanEvents implements CallSpan {
  private retries = 0;
  private hedges = 0;

  constructor(
    private readonly loaded: Loaded,
    span: Span,
    private readonly context: Context,
    private readonly call: TracedCall,
  ) {
    super(span, call.events);
  }

  override emit<Name extends EventName>(type: Name, payload: Payload<Name>): void {
    super.emit(type, payload);
    if (type === 'call.completed') this.end(payload as Payload<'call.completed'>);
  }

  startAttempt({ instance, strategy, failOpen, attempt, isHedge, path }: TracedAttempt): AttemptSpan {
    const { call, loaded, context } = this;
    const { api, tracer } = loaded;
    const { method, template } = call;
    if (isHedge) this.hedges++;
    else if (attempt > 1) this.retries++;
    const attributes: Attributes = {
      ...requestAttributes(call),
      'server.address': instance.host,
      'server.port': instance.port,
      'url.full': baseUrlOf(instance) + path,
      'service_discovery.service': call.service,
      'service_discovery.instance': instance.instanceId,
      'service_discovery.strategy': strategy,
      'service_discovery.attempt': attempt,
    };
    if (attempt > 1) attributes['http.request.resend_count'] = attempt - 1;
    if (isHedge) attributes['service_discovery.hedge'] = this.hedges;
    else if (attempt > 1) attributes['service_discovery.retry'] = this.retries;
    if (failOpen) attributes['service_discovery.fail_open'] = true;
    const name = template === undefined ? method : `${method} ${template}`;
    const span = tracer.startSpan(name, { kind: api.SpanKind.CLIENT, attributes }, context);
    return new TracedAttemptSpan(api, span, api.trace.setSpan(context, span));
  }

  private end({ ok, status, code, attempts, instanceId }: Payload<'call.completed'>): void {
    const { span, loaded } = this;
    span.setAttribute('service_discovery.attempts', attempts);
    if (instanceId !== undefined) span.setAttribute('service_discovery.instance', instanceId);
    if (status !== undefined) span.setAttribute('http.response.status_code', status);
    if (!ok) {
      span.setAttribute('error.type', code === undefined || code === 'RESPONSE_STATUS' ? String(status) : code);
      span.setStatus({ code: loaded.api.SpanStatusCode.ERROR });
    }
    span.end();
  }
}

class TracedAttemptSpan implements AttemptSpan {
  constructor(
    private readonly api: Loaded['api'],
    private readonly span: Span,
    private readonly context: Context,
  ) {}

  inject(headers: Record<string, unknown>): void {
    this.api.propagation.inject(this.context, headers, HEADERS);
  }

  send<T>(send: () => T): T {
    const { api, context } = this;
    return api.context.with(context.setValue(api.createContextKey(SUPPRESSED), true), send);
  }

  end({ status, error }: AttemptOutcome): void {
    const { api, span } = this;
    if (status !== undefined) span.setAttribute('http.response.status_code', status);
    if (error !== undefined) fail(api, span, error);
    else if (status !== undefined && status >= 400) {
      span.setAttribute('error.type', String(status));
      span.setStatus({ code: api.SpanStatusCode.ERROR });
    }
    span.end();
  }
}

const HEADERS = {
  set(headers: Record<string, unknown>, name: string, value: string): void {
    headers[name.toLowerCase()] = value;
  },
};

function requestAttributes({ method, template }: TracedCall): Attributes {
  const attributes: Attributes = { 'http.request.method': method };
  if (template !== undefined) attributes['url.template'] = template;
  return attributes;
}

function eventAttributes(payload: object): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(payload) as [string, Attributes[string]][]) {
    const attribute = Object.hasOwn(ATTRIBUTE_NAMES, name)
      ? ATTRIBUTE_NAMES[name]
      : `service_discovery.${snakeCase(name)}`;
    if (attribute !== undefined && value !== undefined) attributes[attribute] = value;
  }
  return attributes;
}

function fail(api: Loaded['api'], span: Span, error: unknown): void {
  const isOwn = error instanceof ServiceDiscoveryError;
  span.setAttribute('error.type', isOwn ? error.code : error instanceof Error ? error.name : '_OTHER');
  span.setStatus({ code: api.SpanStatusCode.ERROR, message: messageOf(error) });
}
