import { deepStrictEqual } from 'node:assert';
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Caller } from '../calls/contenders/contender.js';
import { undiciDispatch } from '../calls/contenders/undici-dispatch.js';
import { Proxy, untilListening } from '../calls/servers/proxy.js';
import { stop } from '../support/child-process.js';
import { freePort } from '../support/free-port.js';
import { familyOf, processorTimeOf } from '../support/processor-time.js';
import { percentile } from '../support/table.js';
import { type Order } from './caller-app.js';
import { type Lane, type Platform, type Setup, userOf } from './lanes.js';

const CONCURRENCY = 64;
const DISTINCT_ORDERS = 1_000;
const READY_WITHIN_MS = 60_000;
const BETWEEN_TRIES_MS = 50;

/** Results of one round. */
export interface PairFigures {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time a request, of both apps together. */
  readonly appsUs: number;
  readonly proxyUs: number;
}

/** The two apps of a lane, each a process of its own, and the load from this process. */
export class Pair {
  readonly rounds: PairFigures[] = [];
  private turn = 0;

  private constructor(
    private readonly apps: readonly ChildProcess[],
    private readonly proxy: Proxy | undefined,
    private readonly load: Caller,
  ) {}

  /** Resolves when the calling app answers with what the called one has. @throws Error if a proxy is not installed */
  static async start({ client, proxy: program }: Lane, platform: Platform): Promise<Pair> {
    const [callerPort, calledPort] = [await freePort(), await freePort()];
    const setup = { platform, client, callerPort, calledPort };
    const called = forkApp('called-app', { ...setup, targetPort: calledPort });
    const apps = [called];
    let proxy: Proxy | undefined;
    try {
      await untilListening(calledPort, `the called app of ${client}`);
      proxy = program && (await Proxy.start(program, [calledPort]));
      apps.push(forkApp('caller-app', { ...setup, targetPort: proxy?.port ?? calledPort }));
      const pair = new Pair(apps, proxy, await undiciDispatch.setup({ ports: [callerPort], services: 1 }));
      await pair.untilReady();
      return pair;
    } catch (error) {
      await Promise.all([proxy?.stop(), ...apps.map((app) => stop(app))]);
      throw error;
    }
  }

  /** @param requests how many are measured */
  async round(requests: number): Promise<PairFigures> {
    // Connections that were closed since the last round open again.
    await this.ask(2 * CONCURRENCY);
    const apps = this.apps.map(({ pid }) => pid!);
    const proxies = this.proxy ? familyOf(this.proxy.pid) : [];
    const [appsBefore, proxyBefore, began] = [processorTimeOf(apps), processorTimeOf(proxies), performance.now()];
    const latencies = await this.ask(requests);
    return {
      requestsPerSecond: (1_000 * requests) / (performance.now() - began),
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
      appsUs: (processorTimeOf(apps) - appsBefore) / requests,
      proxyUs: (processorTimeOf(proxies) - proxyBefore) / requests,
    };
  }

  async stop(): Promise<void> {
    await Promise.all([this.load.close(), this.proxy?.stop(), ...this.apps.map((app) => stop(app))]);
  }

  /** Returns how long each took, in milliseconds. */
  private async ask(requests: number): Promise<number[]> {
    const latencies: number[] = [];
    let left = requests;
    const worker = async (): Promise<void> => {
      while (left-- > 0) {
        const began = performance.now();
        await this.order();
        latencies.push(performance.now() - began);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return latencies;
  }

  private async order(): Promise<Order> {
    const id = String(this.turn++ % DISTINCT_ORDERS);
    const order = (await this.load.call({ method: 'GET', path: `/orders/${id}`, key: id })) as Order;
    if (order.user?.id !== id) throw new Error(`order ${id} was answered with ${JSON.stringify(order)}`);
    return order;
  }

  private async untilReady(): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += BETWEEN_TRIES_MS) {
      try {
        const { id, user } = await this.order();
        return deepStrictEqual(user, userOf(id));
      } catch (error) {
        const hasEnded = this.apps.some(({ exitCode }) => exitCode !== null);
        if (hasEnded || waitedMs >= READY_WITHIN_MS) throw error;
        await pause(BETWEEN_TRIES_MS);
      }
    }
  }
}

function forkApp(script: string, setup: Setup): ChildProcess {
  const path = fileURLToPath(new URL(`./${script}.js`, import.meta.url));
  return fork(path, [JSON.stringify(setup)], { stdio: ['ignore', 2, 2, 'ipc'] });
}
