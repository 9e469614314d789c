/**
 * Moleculer nodes, in one process like the HTTP servers: as many as its argument says. Sends their ports to its parent.
 */
import { ServiceBroker } from 'moleculer';
import { freePort } from '../../support/free-port.js';
import { bodyOf, bytesOf } from './answers.js';
import { moleculerNodeId, moleculerOptions } from './moleculer-options.js';

const bodies = new Map<number, object>();

function answerTo({ params }: { params: { path: string } }): object {
  const bytes = bytesOf(params.path);
  let body = bodies.get(bytes);
  if (!body) bodies.set(bytes, (body = bodyOf(bytes)));
  return body;
}

const ports: number[] = [];
for (let n = 0; n < Number(process.argv[2]); n++) ports.push(await freePort());
await Promise.all(
  ports.map(async (_, n) => {
    const broker = new ServiceBroker(moleculerOptions(moleculerNodeId(n), ports));
    broker.createService({ name: 'users', actions: { get: answerTo } });
    await broker.start();
  }),
);
process.on('disconnect', () => process.exit());
process.send?.(ports);
