import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { systemClock } from '../../libs/service-discovery/src/common/index.js';

export interface SlowLinkOptions {
  /** Round trip time; opening a connection takes one. @default 0 */
  readonly roundTripMs?: number;
  /** Bandwidth of all connections together in each direction, shared evenly. @default unlimited */
  readonly bytesPerSecond?: number;
}

const TICK_MS = 10;
/** Bytes buffered per connection before its sender has to wait. */
const BUFFER_BYTES = 4_096;
/** Bytes carried for one connection before the next one's turn. */
const SLICE_BYTES = 256;

/** A link to a local port with latency or limited bandwidth. */
export class SlowLink {
  private readonly sockets = new Set<Socket>();
  private readonly up: Lane;
  private readonly down: Lane;

  private constructor(
    private readonly server: Server,
    private readonly roundTripMs: number,
    bytesPerSecond: number,
  ) {
    this.up = new Lane(bytesPerSecond, roundTripMs / 2);
    this.down = new Lane(bytesPerSecond, roundTripMs / 2);
  }

  static async to(
    port: number,
    { roundTripMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY }: SlowLinkOptions,
  ): Promise<SlowLink> {
    const server = createServer();
    const link = new SlowLink(server, roundTripMs, bytesPerSecond);
    server.on('connection', (near: Socket) => link.join(near, port));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return link;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.up.stop();
    this.down.stop();
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(near: Socket, port: number): void {
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    near.pause();
    far.pause();
    setTimeout(() => {
      this.up.carry(near, far);
      this.down.carry(far, near);
    }, this.roundTripMs);
  }
}

/** One direction: forwards data of each connection in turn, within the bandwidth. */
class Lane {
  private readonly flows = new Set<{ readonly from: Socket; readonly to: Socket; waiting: Buffer }>();
  private readonly timer: NodeJS.Timeout | undefined;
  private lastTick = systemClock.now();
  private credit = 0;

  constructor(
    private readonly bytesPerSecond: number,
    private readonly delayMs: number,
  ) {
    if (Number.isFinite(bytesPerSecond)) this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  carry(from: Socket, to: Socket): void {
    if (!this.timer) {
      from.on('data', (data: Buffer) => this.deliver(to, data));
      from.resume();
      return;
    }
    const flow = { from, to, waiting: Buffer.alloc(0) };
    this.flows.add(flow);
    from.on('close', () => this.flows.delete(flow));
    from.on('data', (data: Buffer) => {
      flow.waiting = Buffer.concat([flow.waiting, data]);
      if (flow.waiting.length > BUFFER_BYTES) from.pause();
    });
    from.resume();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const now = systemClock.now();
    this.credit += ((now - this.lastTick) * this.bytesPerSecond) / 1_000;
    this.lastTick = now;
    for (let busy = true; busy && this.credit > 0;) {
      busy = false;
      for (const flow of this.flows) {
        const slice = flow.waiting.subarray(0, SLICE_BYTES);
        if (slice.length === 0) continue;
        busy = true;
        flow.waiting = flow.waiting.subarray(slice.length);
        this.credit -= slice.length;
        this.deliver(flow.to, slice);
        if (flow.waiting.length <= BUFFER_BYTES) flow.from.resume();
      }
    }
    // Unused bandwidth is not saved up.
    this.credit = Math.min(0, this.credit);
  }

  private deliver(to: Socket, data: Buffer): void {
    if (this.delayMs === 0) to.write(data);
    else setTimeout(() => void (to.writable && to.write(data)), this.delayMs);
  }
}
