import { type Clock, DEADLINE_HEADER, type ServiceRequest } from 'nest-service-discovery/core';

/** A status, or a broken connection. */
export type Answer = { readonly status: number } | 'reset';

/** The behaviour of a server. */
export interface Behaviour {
  /** Service time of a request, in milliseconds. */
  serviceMs: (request: ServiceRequest) => number;
  /** @default 200 */
  status: number;
  /** Concurrent requests; others are queued. @default unlimited */
  workers: number;
  /** Length of the queue; further requests get a 503 at once. @default unlimited */
  queueLimit: number;
  /** Whether a request with an expired `x-request-deadline` is dropped when its turn comes. @default false */
  heedsDeadline: boolean;
}

interface Waiting {
  readonly request: ServiceRequest;
  readonly reply: (answer: Answer) => void;
}

/** Time to reject a request, in milliseconds. */
const REFUSAL_MS = 1;

/** A server with a queue. Like most servers, it finishes every accepted request, even if the caller has given up. */
export class SimServer {
  /** Whether it accepts connections. */
  listening = true;
  /** Requests that arrived so far. */
  received = 0;
  private readonly behaviour: Behaviour;
  private waiting: Waiting[] = [];
  private nextWaiting = 0;
  private busy = 0;
  private readonly open = new Set<Waiting>();
  private readonly idleListeners: (() => void)[] = [];

  constructor(
    private readonly clock: Clock,
    behaviour: Partial<Behaviour> & Pick<Behaviour, 'serviceMs'>,
  ) {
    const unlimited = Number.POSITIVE_INFINITY;
    this.behaviour = { status: 200, workers: unlimited, queueLimit: unlimited, heedsDeadline: false, ...behaviour };
  }

  get queued(): number {
    return this.waiting.length - this.nextWaiting;
  }

  /** Requests being served are not affected. */
  become(changes: Partial<Behaviour>): void {
    Object.assign(this.behaviour, changes);
    this.serveWaiting();
  }

  receive(request: ServiceRequest, reply: (answer: Answer) => void): void {
    this.received++;
    const one: Waiting = { request, reply };
    if (this.busy >= this.behaviour.workers && this.queued >= this.behaviour.queueLimit) {
      this.clock.setTimer(() => reply({ status: 503 }), REFUSAL_MS);
      return;
    }
    this.open.add(one);
    this.waiting.push(one);
    this.serveWaiting();
  }

  /** Stops accepting; resolves when accepted requests are answered. */
  close(): Promise<void> {
    this.listening = false;
    if (this.open.size === 0) return Promise.resolve();
    return new Promise((resolve) => void this.idleListeners.push(resolve));
  }

  /** Kills the process and all its connections. */
  kill(): void {
    this.listening = false;
    this.waiting = [];
    this.nextWaiting = 0;
    for (const one of this.open) this.end(one, 'reset');
  }

  private serveWaiting(): void {
    while (this.busy < this.behaviour.workers && this.queued > 0) {
      const one = this.waiting[this.nextWaiting++]!;
      if (this.nextWaiting > 1_000 && this.queued < this.nextWaiting) this.forgetServed();
      if (this.behaviour.heedsDeadline && this.isTooLate(one.request)) {
        this.end(one, { status: 504 });
        continue;
      }
      this.busy++;
      const { status } = this.behaviour;
      this.clock.setTimer(() => {
        this.busy--;
        this.end(one, { status });
        this.serveWaiting();
      }, this.behaviour.serviceMs(one.request));
    }
  }

  private forgetServed(): void {
    this.waiting = this.waiting.slice(this.nextWaiting);
    this.nextWaiting = 0;
  }

  private isTooLate({ headers }: ServiceRequest): boolean {
    const deadline = headers[DEADLINE_HEADER];
    return deadline !== undefined && Number(deadline) <= this.clock.epoch();
  }

  private end(one: Waiting, answer: Answer): void {
    if (!this.open.delete(one)) return;
    one.reply(answer);
    if (this.open.size === 0) for (const listener of this.idleListeners.splice(0)) listener();
  }
}
