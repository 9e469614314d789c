import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { type AddressInfo } from 'node:net';

/** Stands in for Kong, which not every machine has: passes each request on to the next one of its targets. */
export class KongStandIn {
  /** How many requests it has passed on. */
  passedOn = 0;

  private readonly server = createServer((incoming, outgoing) => {
    const target = this.targets[this.passedOn++ % this.targets.length];
    const { method, headers, url } = incoming;
    const onward = request(new URL(url ?? '/', target), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end();
    });
    incoming.pipe(onward);
  });

  private constructor(private readonly targets: readonly string[]) {}

  static async start(targets: readonly string[]): Promise<KongStandIn> {
    const kong = new KongStandIn(targets);
    kong.server.listen(0, '127.0.0.1');
    await once(kong.server, 'listening');
    return kong;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
