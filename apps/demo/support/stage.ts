import { type CommunicatorOptions, RegistryClient } from 'nest-service-discovery/core';
import { type ProcessGroup, type ServiceProcess } from '../../support/processes.js';
import { type ShopProcess } from '../../shop/fleet.js';
import { Caller } from './caller.js';
import { type Claims } from './claims.js';
import { getJson } from './http.js';
import { type Journal } from './journal.js';
import { type Printer } from './print.js';
import { waitFor } from './wait.js';

/** The part of `GET /service-discovery/health/aggregated` that the demo reads. */
export interface AggregatedHealth {
  readonly overall_status: string;
  readonly services: Readonly<
    Record<string, { readonly status: string; readonly instances: readonly InstanceHealth[] }>
  >;
  readonly total_services: number;
  readonly healthy_services: number;
  readonly unhealthy_services: number;
}

interface InstanceHealth {
  readonly instance_id: string;
  readonly status: string;
}

type StageSpec = Pick<ShopProcess, 'name' | 'script' | 'env'>;

/** Shared by all acts: the running processes, and ways to query them. */
export class Stage {
  /** Pids of all processes started so far. */
  readonly pids: number[] = [];
  private readonly running = new Map<string, ServiceProcess>();
  private readonly specs = new Map<string, StageSpec>();

  constructor(
    readonly print: Printer,
    readonly claims: Claims,
    private readonly group: ProcessGroup,
    /** Where the services record what they did. */
    readonly journal: Journal,
  ) {}

  async start(spec: StageSpec): Promise<ServiceProcess> {
    const started = await this.group.start({ ...spec, env: { ...this.journal.env, ...spec.env } });
    this.running.set(spec.name, started);
    this.specs.set(spec.name, spec);
    if (started.pid !== undefined) this.pids.push(started.pid);
    return started;
  }

  /** Restarts a process that has exited. */
  startAgain(name: string): Promise<ServiceProcess> {
    const spec = this.specs.get(name);
    if (!spec) throw new Error(`${name} was never started`);
    return this.start(spec);
  }

  /** Stops a process with SIGTERM, and waits for it. @returns how long that took, in milliseconds */
  async end(name: string): Promise<number> {
    const began = performance.now();
    const leaver = this.process(name);
    leaver.kill('SIGTERM');
    await leaver.ended;
    return performance.now() - began;
  }

  process(name: string): ServiceProcess {
    const found = this.running.get(name);
    if (!found) throw new Error(`${name} was never started`);
    return found;
  }

  /** A URL of the shop's gateway. */
  shop(path: string): string {
    return `${this.process('gateway').url}/shop${path}`;
  }

  /** Shows the token of the registry. */
  get authorization(): Readonly<Record<string, string>> {
    return { authorization: `Bearer ${this.group.token}` };
  }

  /** Asks and operates a process, by its API. */
  clientOf(name: string): RegistryClient {
    return new RegistryClient({ url: this.process(name).url, token: this.group.token });
  }

  /** A URL of the registry's API. */
  registry(path: string): string {
    return `${this.process('registry').url}/service-discovery${path}`;
  }

  /** A caller that follows the registry. */
  caller(options?: CommunicatorOptions): Promise<Caller> {
    return Caller.start({ url: this.process('registry').url, token: this.group.token }, options);
  }

  health(): Promise<AggregatedHealth> {
    return getJson<AggregatedHealth>(this.registry('/health/aggregated'), this.authorization);
  }

  /** Waits until the aggregated health is as expected, and prints it. */
  async healthBecomes(
    status: string,
    why: string,
    also: (health: AggregatedHealth) => boolean = () => true,
  ): Promise<AggregatedHealth> {
    const health = await waitFor(`the aggregated health to become ${status}`, async () => {
      const now = await this.health();
      return now.overall_status === status && also(now) ? now : undefined;
    });
    const { healthy_services: healthy, total_services: total } = health;
    this.print.say(`aggregated health ${why}: ${status}, ${healthy} of ${total} services healthy`);
    return health;
  }

  /** The status of an instance in the registry; undefined: not registered. */
  async statusOf(name: string): Promise<string | undefined> {
    return this.statusIn(await this.health(), name);
  }

  statusIn({ services }: AggregatedHealth, name: string): string | undefined {
    const { instanceId } = this.process(name);
    return Object.values(services)
      .flatMap(({ instances }) => instances)
      .find((instance) => instance.instance_id === instanceId)?.status;
  }
}
