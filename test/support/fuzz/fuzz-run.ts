import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { request } from 'undici';
import { addSources, buildPackage } from '../built-package.js';
import { Draw } from './draw.js';
import { type Answer, FuzzClient } from './exchange.js';
import { type Message, toMessage } from './fuzz-request.js';
import { mutate, mutateBytes } from './mutations.js';
import { Operations } from './operations.js';
import { type Held } from './server/main.js';

const TOKEN = 'fuzzed-token-7f1c9e';
const GOOD_SERVICE = 'good-service';
const CLIENTS = 16;
/** Far longer than an answer takes on a slow machine. */
const ANSWER_TIMEOUT_MS = 60_000;
/** Far longer than a stream needs to notice that its reader has left, and shorter than the two pings that tell it otherwise. */
const CLOSE_TIMEOUT_MS = 15_000;
/** Which part of the requests comes before the first measurement, so that code is compiled and caches are full. */
const WARM_UP = 0.2;

export interface FuzzOptions {
  readonly platform: string;
  readonly requests: number;
  readonly seed: number;
  /** No request begins after it. */
  readonly timeLimitMs: number;
}

/** What a fuzz has found. */
export interface FuzzReport {
  readonly sent: number;
  /** Which operations were asked for. */
  readonly operations: ReadonlySet<string>;
  readonly byStatus: ReadonlyMap<number, number>;
  /** Requests whose answer is none that is documented, or that got none. */
  readonly findings: readonly string[];
  readonly before: Held;
  readonly after: Held;
  /** What the good client beside it waited for each answer, and the answers that were not 200. */
  readonly goodTimesMs: readonly number[];
  readonly goodFailures: readonly number[];
}

/** Sends random and mutated requests to an app in a process of its own. @throws if the process ends before */
export async function runFuzz({ platform, requests, seed, timeLimitMs }: FuzzOptions): Promise<FuzzReport> {
  const built = await buildPackage({ name: 'fuzzed', type: 'module' });
  try {
    await addSources(built, 'test/support/fuzz/server');
    const script = join(built.consumer, 'main.js');
    const child = fork(script, [platform, TOKEN, GOOD_SERVICE], { execArgv: ['--expose-gc'], silent: true });
    try {
      return await new FuzzRun(child, await Operations.read(), new Draw(seed)).run(requests, timeLimitMs);
    } finally {
      child.kill('SIGKILL');
    }
  } finally {
    await built.remove();
  }
}

class FuzzRun {
  private port = 0;
  private sent = 0;
  private readonly operations = new Set<string>();
  private readonly byStatus = new Map<number, number>();
  private readonly findings: string[] = [];
  private readonly output: Promise<string>;
  private readonly ended: Promise<never>;

  constructor(
    private readonly server: ChildProcess,
    private readonly described: Operations,
    private readonly draw: Draw,
  ) {
    this.output = Promise.all([text(server.stdout!), text(server.stderr!)]).then((parts) => parts.join(''));
    this.ended = once(server, 'exit').then(async ([code]) => {
      throw new Error(`The server ended with ${String(code)}: ${await this.output}`);
    });
    // It ends at last in any case.
    this.ended.catch(() => undefined);
  }

  async run(requests: number, timeLimitMs: number): Promise<FuzzReport> {
    this.port = await this.message<number>();
    const began = performance.now();
    const end = began + timeLimitMs;
    const good = new GoodClient(this.port);
    await good.register();
    await this.unlessEnded(this.send(Math.floor(requests * WARM_UP), began + WARM_UP * timeLimitMs));
    const before = await this.measure();
    const sending = this.send(requests, end).finally(() => good.stop());
    await this.unlessEnded(Promise.all([sending, good.run()]));
    const after = await this.measure();
    const { sent, operations, byStatus, findings } = this;
    return {
      sent,
      operations,
      byStatus,
      findings,
      before,
      after,
      goodTimesMs: good.timesMs,
      goodFailures: good.failures,
    };
  }

  /** Until so many have been sent in all. */
  private async send(upTo: number, end: number): Promise<void> {
    const client = async (): Promise<void> => {
      const connection = new FuzzClient(this.port, ANSWER_TIMEOUT_MS);
      while (this.sent < upTo && performance.now() < end) {
        const number = this.sent++;
        const message = this.next(number);
        try {
          this.judge(number, message, await connection.send(message));
        } catch (error) {
          this.report(number, message, String(error));
          connection.close();
        }
      }
      connection.close();
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
  }

  private next(number: number): Message {
    const { draw } = this;
    const operations = this.described.all;
    const operation = operations[number % (operations.length + 1)];
    const request = operation === undefined ? Operations.other(draw) : this.described.request(operation, draw);
    this.operations.add(request.operation);
    request.headers.push(...authorization(draw));
    if (draw.chance(0.85)) mutate(request, draw);
    const message = toMessage(request);
    return draw.chance(0.1) ? mutateBytes(message, draw) : message;
  }

  private judge(number: number, message: Message, { statuses, text: answer }: Answer): void {
    for (const status of statuses) {
      this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1);
      // The answer to HEAD has no body, in which that of the same GET has its code.
      const hasCode = message.isHead || /"code":"(NO_AVAILABLE_INSTANCE|REGISTRY_UNAVAILABLE)"/.test(answer);
      const isDocumented = status === 503 && hasCode;
      if (status >= 500 && !isDocumented) this.report(number, message, answer);
    }
  }

  private report(number: number, { bytes }: Message, what: string): void {
    const shown = JSON.stringify(bytes.subarray(0, 2_000).toString('latin1'));
    this.findings.push(`request ${number}: ${shown}\n  ${what.slice(0, 1_000)}`);
  }

  /** Once the server has seen that its clients are gone. */
  private async measure(): Promise<Held> {
    const end = performance.now() + CLOSE_TIMEOUT_MS;
    for (;;) {
      this.server.send('measure');
      const held = await this.message<Held>();
      if (held.connections.length === 0 || performance.now() > end) return held;
    }
  }

  private async message<T>(): Promise<T> {
    const [message] = (await this.unlessEnded(once(this.server, 'message'))) as [T];
    return message;
  }

  private unlessEnded<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.ended]);
  }
}

/** A service that is registered, renews its lease and asks for itself, all the time. */
class GoodClient {
  readonly timesMs: number[] = [];
  readonly failures: number[] = [];
  private stopped = false;

  constructor(private readonly port: number) {}

  async register(): Promise<void> {
    const body = { service_name: GOOD_SERVICE, instance_id: 'good', host: '127.0.0.1', port: 80, ttl: 3_600 };
    if ((await this.ask('POST', '/register', body)) !== 201) throw new Error('The good client could not register');
  }

  stop(): void {
    this.stopped = true;
  }

  async run(): Promise<void> {
    do {
      const began = performance.now();
      for (const status of [
        await this.ask('PUT', `/services/${GOOD_SERVICE}/instances/good/heartbeat`),
        await this.ask('GET', `/discover/${GOOD_SERVICE}`),
      ]) {
        if (status !== 200) this.failures.push(status);
      }
      this.timesMs.push((performance.now() - began) / 2);
    } while (!this.stopped);
  }

  private async ask(method: string, path: string, json?: object): Promise<number> {
    const headers = { authorization: `Bearer ${TOKEN}`, ...(json && { 'content-type': 'application/json' }) };
    const url = `http://127.0.0.1:${this.port}/service-discovery${path}`;
    const { statusCode, body } = await request(url, {
      method,
      headers,
      body: json && JSON.stringify(json),
      reset: true,
    });
    await body.dump();
    return statusCode;
  }
}

/** From a stranger, a program on this machine, a holder of the token, or one of a wrong token. */
function authorization(draw: Draw): [string, string][] {
  return draw.of<[string, string][]>([
    [['x-forwarded-for', '203.0.113.9']],
    [],
    [['authorization', `Bearer ${TOKEN}`]],
    [['authorization', `Bearer ${TOKEN}`]],
    [['authorization', 'Bearer wrong']],
  ]);
}
