import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceCommunicator, ServiceDiscoveryModule } from 'nest-service-discovery';
import { OpenTelemetryTracer } from 'nest-service-discovery/core';
import { CallFixture, failure, reset } from '../libs/service-discovery/src/testing/call-fixture.js';
import { Apps } from './support/nest-app.js';

const exporter = new InMemorySpanExporter();

/** Registers a real SDK, as an app does before it loads anything else. */
function startSdk(): void {
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
}

function stopSdk(): void {
  trace.disable();
  context.disable();
  propagation.disable();
  exporter.reset();
}

/** The spans as indented lines, children below their parent in the order in which they began. */
function treeOf(spans: readonly ReadableSpan[], show: (span: ReadableSpan) => string): string[] {
  const ids = new Set(spans.map((span) => span.spanContext().spanId));
  const began = ({ startTime: [seconds, nanos] }: ReadableSpan): number => seconds * 1e9 + nanos;
  const ordered = [...spans].sort((one, other) => began(one) - began(other));
  const below = (parentId: string | undefined, indent: string): string[] =>
    ordered
      .filter((span) => {
        const id = span.parentSpanContext?.spanId;
        return parentId === undefined ? id === undefined || !ids.has(id) : id === parentId;
      })
      .flatMap((span) => [indent + show(span), ...below(span.spanContext().spanId, `${indent}  `)]);
  return below(undefined, '');
}

const name = ({ kind, name: own }: ReadableSpan): string => `${SpanKind[kind]} ${own}`;
const attributesOf = (kind: SpanKind): ReadableSpan['attributes'][] =>
  exporter
    .getFinishedSpans()
    .filter((span) => span.kind === kind)
    .map(({ attributes }) => attributes);

describe('the spans of a call', () => {
  let stage: CallFixture;
  let tracer: OpenTelemetryTracer;

  beforeEach(async () => {
    startSdk();
    tracer = new OpenTelemetryTracer();
    await tracer.load();
    stage = await CallFixture.open();
    await stage.register('a', 'b');
  });

  afterEach(async () => {
    await stage.close();
    stopSdk();
  });

  it('follow the semantic conventions for HTTP clients', async () => {
    const communicator = stage.communicatorWith({}, { tracer });
    const path = '/users/7?secret=1';
    await communicator.callServiceJson('users', { path, template: '/users/:id' });
    const [port] = stage.transport.sent.map(({ instance }) => instance.port);
    expect(treeOf(exporter.getFinishedSpans(), name)).toEqual([
      'INTERNAL users GET /users/:id',
      '  CLIENT GET /users/:id',
    ]);
    const of = { 'http.request.method': 'GET', 'url.template': '/users/:id', 'http.response.status_code': 200 };
    const where = { 'service_discovery.service': 'users', 'service_discovery.instance': stage.transport.targets[0] };
    expect(attributesOf(SpanKind.INTERNAL)).toEqual([{ ...of, ...where, 'service_discovery.attempts': 1 }]);
    expect(attributesOf(SpanKind.CLIENT)).toEqual([
      {
        ...of,
        ...where,
        'server.address': '127.0.0.1',
        'server.port': port,
        'url.full': `http://127.0.0.1:${port}/users/7`,
        'service_discovery.strategy': 'round_robin',
        'service_discovery.attempt': 1,
      },
    ]);
  });

  it('number retries, and say why each attempt failed', async () => {
    stage.transport.answer(() => {
      if (stage.transport.sent.length === 1) throw reset();
      return { status: stage.transport.sent.length === 2 ? 503 : 200 };
    });
    await stage.communicatorWith({ retry: { baseDelay: 0 } }, { tracer }).callService('users', { path: '/' });
    const keys = ['service_discovery.attempt', 'service_discovery.retry', 'http.request.resend_count', 'error.type'];
    expect(attributesOf(SpanKind.CLIENT).map((attributes) => keys.map((key) => attributes[key]))).toEqual([
      [1, undefined, undefined, 'TRANSPORT_FAILURE'],
      [2, 1, 1, '503'],
      [3, 2, 2, undefined],
    ]);
    const [call] = exporter.getFinishedSpans().filter(({ kind }) => kind === SpanKind.INTERNAL);
    expect(call!.status.code).toBe(SpanStatusCode.UNSET);
    const retry = ['call.retried', 'call.failed_over'];
    expect(call!.events.map((event) => event.name)).toEqual([...retry, ...retry]);
    expect(call!.events[0]!.attributes).toMatchObject({
      'service_discovery.attempt': 2,
      'service_discovery.delay_ms': 0,
    });
  });

  it('number hedges, and end the attempt that lost', async () => {
    stage.transport.hold();
    const communicator = stage.communicatorWith({ hedging: { delay: 50 } }, { tracer });
    const call = communicator.callService('users', { path: '/' });
    await stage.transport.nextHeld();
    await stage.clock.advanceAsync(50);
    (await stage.transport.nextHeld()).respond({ status: 200 });
    await call;
    await stage.clock.advanceAsync(0);
    expect(attributesOf(SpanKind.CLIENT)).toEqual(
      [
        expect.objectContaining({ 'service_discovery.attempt': 1, 'error.type': 'ABORTED' }),
        expect.objectContaining({ 'service_discovery.attempt': 2, 'service_discovery.hedge': 1 }),
      ].reverse(),
    );
  });

  it('show that circuits are open and the retry budget is exhausted', async () => {
    stage.transport.answer(() => ({ status: 503 }));
    const options = {
      circuitBreaker: { failureThreshold: 1, maxOpenShare: 1 },
      retry: { budget: { ratio: 0, minPerSecond: 0 } },
    } as const;
    const communicator = stage.communicatorWith({ ...options, outlierDetection: false }, { tracer });
    for (let made = 0; made < 3; made++) await communicator.callService('users', { path: '/' }).catch(() => undefined);
    const events = exporter
      .getFinishedSpans()
      .filter(({ kind }) => kind === SpanKind.INTERNAL)
      .map((span) => span.events.map((event) => event.name));
    expect(events[0]).toEqual(['call.retry_budget_exhausted']);
    expect(events[2]).toContain('call.refused');
  });

  it('have the ids that events of the call carry', async () => {
    await stage.communicatorWith({}, { tracer }).callService('users', { path: '/' });
    const [span] = exporter.getFinishedSpans().filter(({ kind }) => kind === SpanKind.INTERNAL);
    const { traceId, spanId } = span!.spanContext();
    expect(stage.events.map(({ type }) => type)).toEqual(['call.picked', 'call.completed']);
    for (const { payload } of stage.events) expect(payload).toMatchObject({ traceId, spanId });
  });

  it('end with an error that no attempt explains', async () => {
    const communicator = stage.communicatorWith({ waitForFirst: false }, { tracer });
    const error = await failure(communicator.callService('nowhere', { path: '/' }));
    const [span] = exporter.getFinishedSpans();
    expect(span!.attributes).toMatchObject({ 'error.type': error.code, 'service_discovery.attempts': 0 });
    expect(span!.status.code).toBe(SpanStatusCode.ERROR);
  });

  it('replace a traceparent that the caller passes on by hand, and run under the active span', async () => {
    const communicator = stage.communicatorWith({}, { tracer });
    const parent = trace.getTracer('app').startSpan('work');
    const headers = { traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` };
    await context.with(trace.setSpan(context.active(), parent), () =>
      communicator.callService('users', { path: '/', headers }),
    );
    const [attempt] = exporter.getFinishedSpans().filter(({ kind }) => kind === SpanKind.CLIENT);
    const { traceId, spanId } = attempt!.spanContext();
    expect(traceId).toBe(parent.spanContext().traceId);
    expect(stage.transport.sent[0]!.request.headers).toMatchObject({ traceparent: `00-${traceId}-${spanId}-01` });
  });

  it('leave the sending of requests to no other instrumentation', async () => {
    let made: string | undefined;
    stage.transport.answer(() => {
      const span = trace.getTracer('undici').startSpan('GET');
      made = span.spanContext().traceId;
      return {};
    });
    await stage.communicatorWith({}, { tracer }).callService('users', { path: '/' });
    expect(made).toBe('0'.repeat(32));
  });

  it('are none without an SDK, also if it ends later', async () => {
    const communicator = stage.communicatorWith({}, { tracer });
    stopSdk();
    await communicator.callService('users', { path: '/' });
    expect(exporter.getFinishedSpans()).toEqual([]);
    startSdk();
    await tracer.load();
    await communicator.callService('users', { path: '/' });
    expect(exporter.getFinishedSpans()).toHaveLength(2);
  });
});

describe('a call with two retries and a fallback, over two processes', () => {
  const apps = new Apps();
  let other: ChildProcess;
  let ports: number[];

  beforeAll(async () => {
    other = fork(join(import.meta.dirname, 'support/traced-service.mjs'));
    [ports] = (await once(other, 'message')) as [number[]];
  });
  afterAll(async () => {
    other.disconnect();
    await once(other, 'exit');
  });
  beforeEach(startSdk);
  afterEach(async () => {
    await apps.close();
    stopSdk();
  });

  it('is one trace, as docs/observability.md shows it', async () => {
    const target = (port: number): string => `http://127.0.0.1:${port}`;
    const services = [
      { name: 'recommendations', targets: ports.slice(0, 3).map(target) },
      { name: 'bestsellers', targets: ports.slice(3).map(target) },
    ];
    const app = await apps.create(ServiceDiscoveryModule.forRoot({ services, healthCheck: false, logging: false }));
    await app.init();
    const request = { primaryService: 'recommendations', fallbackService: 'bestsellers', path: '/users/7' };
    await app.get(ServiceCommunicator).callServiceWithFallback({ ...request, template: '/users/:id' });

    const show = (span: ReadableSpan): string => {
      const { attributes, events } = span;
      const status = attributes['http.response.status_code'];
      return [name(span), ...(status ? [status] : []), ...events.map((event) => event.name)].join(' ');
    };
    const spans = exporter.getFinishedSpans();
    const page = await readFile(join(import.meta.dirname, '../docs/observability.md'), 'utf8');
    const [, picture] = /```text\n(INTERNAL[^`]*)\n```/.exec(page)!;
    expect(treeOf(spans, show)).toEqual(picture!.split('\n').map((line) => line.replace(/ +#.*/, '')));

    other.send('spans');
    const [served] = (await once(other, 'message')) as [{ traceId: string; parentId: string }[]];
    const clients = spans.filter(({ kind }) => kind === SpanKind.CLIENT).map((span) => span.spanContext().spanId);
    expect(served.map(({ parentId }) => parentId)).toEqual(clients);
    const traces = [...served, ...spans.map((span) => span.spanContext())].map(({ traceId }) => traceId);
    expect(new Set(traces).size).toBe(1);
  });
});
