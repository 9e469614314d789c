import {
  type Duration,
  InvalidConfigurationError,
  isRecord,
  messageOf,
  raceAbort,
  sleep,
  systemClock,
  toMs,
  TransportError,
} from '../common/index.js';
import { isServiceName, keyOf, type ServiceInstance, TIERS } from '../model/index.js';
import {
  getServiceDiscoveryConfig,
  type ResolvedServiceDiscoveryOptions,
  resolveServiceDiscoveryOptions,
  type ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from '../nest/index.js';
import { type FakeResponse, FakeTransport } from './fake-transport.js';
import { putHealthy, startedModule, type TestedOptions, timelessStore } from './service-discovery-testing.module.js';
import { answerOf, type HandledRequest, reply, type ServiceHandler, toHandled } from './service-handlers.js';

/** A request that a fake service received. */
export interface ReceivedRequest extends HandledRequest {
  readonly service: string;
  readonly instanceId: string;
}

/** What a test does to a fake instance, or to all instances of a fake service. */
export interface Faults {
  /** Refuses connections and breaks off requests under way, like a crashed process that is still registered. */
  kill(): void;
  /** Answers after a delay, in milliseconds or as a text such as `'3s'`. */
  slow(delay: Duration): void;
  /** Answers with an error status, or breaks connections off where it is an `Error`. @default 503 */
  fail(as?: number | Error): void;
  /** Ends what the other methods began. Calls notice as in production, where a killed instance is avoided for a while. */
  recover(): void;
}

/** One instance of a {@link FakeService}. */
export interface FakeServiceInstance extends Faults {
  readonly instanceId: string;
  /** The requests that it received, in order; refused connections are none. */
  readonly requests: readonly ReceivedRequest[];
}

class FakeProcess implements FakeServiceInstance {
  private delayMs = 0;
  private failure: number | Error | undefined;
  private life = new AbortController();

  constructor(
    private readonly registered: ServiceInstance,
    private readonly received: ReceivedRequest[],
  ) {}

  get instanceId(): string {
    return this.registered.instanceId;
  }

  get requests(): readonly ReceivedRequest[] {
    const { serviceName, instanceId } = this.registered;
    return this.received.filter((one) => one.service === serviceName && one.instanceId === instanceId);
  }

  kill(): void {
    this.life.abort(this.failed('was killed by the test', false));
  }

  slow(delay: Duration): void {
    this.delayMs = toMs(delay, 'slow');
  }

  fail(as: number | Error = 503): void {
    this.failure = as;
  }

  recover(): void {
    this.delayMs = 0;
    this.failure = undefined;
    if (this.life.signal.aborted) this.life = new AbortController();
  }

  async receive(request: HandledRequest, handler: ServiceHandler, caller?: AbortSignal): Promise<FakeResponse> {
    if (this.life.signal.aborted) throw this.failed('refused the connection: it was killed by the test', true);
    this.received.push({ ...request, service: this.registered.serviceName, instanceId: this.instanceId });
    const end = AbortSignal.any(caller ? [caller, this.life.signal] : [this.life.signal]);
    return raceAbort(this.answer(request, handler, end), end);
  }

  private async answer(request: HandledRequest, handler: ServiceHandler, end: AbortSignal): Promise<FakeResponse> {
    if (this.delayMs > 0) await sleep(systemClock, this.delayMs, end);
    const { failure } = this;
    if (typeof failure === 'number') return reply(failure);
    if (failure) throw this.failed(`broke off: ${messageOf(failure)}`, false, failure);
    return answerOf(handler, request, this.registered);
  }

  private failed(what: string, neverSent: boolean, cause?: Error): TransportError {
    const { serviceName: service, instanceId } = this.registered;
    return new TransportError(`${instanceId} of "${service}" ${what}`, neverSent, { service, instanceId, cause });
  }
}

/** A service that a test answers for, see {@link TestingDiscovery.fake}. */
export class FakeService implements Faults {
  constructor(
    readonly name: string,
    /** `user-service-1`, `user-service-2` … */
    readonly instances: readonly [FakeServiceInstance, ...FakeServiceInstance[]],
    /** What answers its requests. */
    public handler: ServiceHandler,
    private readonly received: readonly ReceivedRequest[],
  ) {}

  /** The requests that its instances received, in order. */
  get requests(): readonly ReceivedRequest[] {
    return this.received.filter(({ service }) => service === this.name);
  }

  kill(): void {
    for (const instance of this.instances) instance.kill();
  }

  slow(delay: Duration): void {
    for (const instance of this.instances) instance.slow(delay);
  }

  fail(as?: number | Error): void {
    for (const instance of this.instances) instance.fail(as);
  }

  recover(): void {
    for (const instance of this.instances) instance.recover();
  }
}

const MAX_INSTANCES = 1000;
const NOTHING: ServiceHandler = () => undefined;

/** Service discovery for one test or several, with fake services, see {@link createTestingDiscovery}. */
export class TestingDiscovery {
  private readonly store = timelessStore();
  private readonly fakes = new Map<string, FakeService>();
  private readonly processes = new Map<string, FakeProcess>();
  private readonly received: ReceivedRequest[] = [];

  constructor(private readonly given: TestedOptions = {}) {}

  /** For the `imports` of a testing module, in place of `ServiceDiscoveryModule.forRoot()`. */
  get module(): ReturnType<typeof ServiceDiscoveryModule.forRoot> {
    return startedModule(this.moduleOptions());
  }

  /** For an app that imports the module itself: `overrideProvider(SERVICE_DISCOVERY_OPTIONS).useValue(discovery.options)`. */
  get options(): ResolvedServiceDiscoveryOptions {
    return resolveServiceDiscoveryOptions(this.moduleOptions(), process.env);
  }

  /** All requests that fake services received, in order. */
  get requests(): readonly ReceivedRequest[] {
    return this.received;
  }

  /**
   * Registers a service whose requests a function answers, before or after the module is compiled.
   * @param handler @default answers with an empty 200
   * @param instances how many instances it has, all healthy
   * @throws InvalidConfigurationError for a wrong name, handler or number, or a second fake of that name
   */
  fake(name: string, handler: ServiceHandler = NOTHING, instances = 1): FakeService {
    const wrong = (path: string, value: unknown, expected: string): InvalidConfigurationError =>
      new InvalidConfigurationError([{ path, value, expected }]);
    if (!isServiceName(name)) throw wrong('fake', name, 'the name of a service');
    if (this.fakes.has(name))
      throw wrong('fake', name, 'a name without a fake (change its handler, or make a new discovery)');
    if (typeof handler !== 'function')
      throw wrong(`fake ${name}`, handler, 'a function, such as ({ path }) => ({ path })');
    if (!Number.isInteger(instances) || instances < 1 || instances > MAX_INSTANCES) {
      throw wrong(`fake ${name}: instances`, instances, `a whole number from 1 to ${MAX_INSTANCES}`);
    }
    const start = (number: number): FakeProcess => {
      const instanceId = `${name}-${number}`;
      const instance = putHealthy(this.store, { serviceName: name, instanceId, port: this.processes.size + 1 });
      const process = new FakeProcess(instance, this.received);
      this.processes.set(keyOf(instance), process);
      return process;
    };
    const others = Array.from({ length: instances - 1 }, (_, index) => index + 2);
    const fake = new FakeService(name, [start(1), ...others.map(start)], handler, this.received);
    this.fakes.set(name, fake);
    return fake;
  }

  private moduleOptions(): ServiceDiscoveryOptions {
    const { preset: _, ...testing } = getServiceDiscoveryConfig('testing');
    const { retry, patterns } = this.given;
    return {
      ...testing,
      // The store tells of a fake within the same turn of the event loop, so a call right after it finds it.
      waitForFirst: '1ms',
      ...this.given,
      retry: isRecord(retry) ? { ...WITHOUT_WAITS, ...retry } : (retry ?? WITHOUT_WAITS),
      patterns: { ...Object.fromEntries(TIERS.map((tier) => [tier, { retry: WITHOUT_WAITS }])), ...patterns },
      store: this.store,
      // A new one for each module, which closes it.
      transport: new FakeTransport(async (instance, request, caller) => {
        const process = this.processes.get(keyOf(instance));
        const fake = this.fakes.get(instance.serviceName);
        const { serviceName: service } = instance;
        if (!process || !fake) throw new TransportError(`"${service}" has no fake here`, true, { service });
        return process.receive(await toHandled(request), fake.handler, caller);
      }),
    };
  }
}

const WITHOUT_WAITS = { baseDelay: '1ms', maxDelay: '1ms' } as const;

/**
 * Service discovery in memory for tests: no registry, no network. Calls are retried, fail over and open circuits as in
 * production, without waits between attempts.
 *
 * @param options those of `forRoot`, but for the registry's
 * @example
 * const discovery = createTestingDiscovery();
 * const users = discovery.fake('user-service', () => ({ name: 'Ada' }), 2);
 * const app = await Test.createTestingModule({ imports: [discovery.module], providers: [Orders] }).compile();
 * users.instances[0].kill();
 * await app.get(Orders).create('1');
 * expect(discovery).toHaveBeenCalledThrough('user-service');
 */
export function createTestingDiscovery(options: TestedOptions = {}): TestingDiscovery {
  return new TestingDiscovery(options);
}
