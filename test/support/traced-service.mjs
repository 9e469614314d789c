/**
 * A process with an OpenTelemetry SDK that serves two services on ports of its own: `failing`, which always answers 503, and
 * `working`, which answers with the headers that it got. It sends its ports, and answers a message with its spans.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
const tracer = trace.getTracer('traced-service');

function serve(name, status) {
  const server = createServer((request, response) => {
    const parent = propagation.extract(context.active(), request.headers);
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER }, parent);
    span.end();
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(request.headers));
  });
  return server.listen(0, '127.0.0.1');
}

const servers = [serve('failing', 503), serve('failing', 503), serve('failing', 503), serve('working', 200)];
await Promise.all(servers.map((server) => once(server, 'listening')));
process.on('message', () => {
  const spans = exporter.getFinishedSpans().map((span) => ({
    name: span.name,
    traceId: span.spanContext().traceId,
    parentId: span.parentSpanContext?.spanId,
  }));
  exporter.reset();
  process.send(spans);
});
process.on('disconnect', () => process.exit());
process.send(servers.map((server) => server.address().port));
