import { RegistryUnavailableError } from '../../common/index.js';
import { type InstanceKey, type RegistrySnapshot, type ServiceInstance, steadyList } from '../../model/index.js';
import { type SnapshotFeed } from './snapshot-feed.js';

type Services = RegistrySnapshot['services'];

const NO_INSTANCES: readonly ServiceInstance[] = [];
const IN_A_TEST = 'In a test, await app.init() first, or import ServiceDiscoveryTestingModule';

/** The part of the snapshot that calls may use: all of it up to its maximum age, then only local instances. */
export class ServedServices {
  private local: { readonly of: RegistrySnapshot; readonly services: Services } | undefined;

  /**
   * @param maxAgeMs the age up to which the whole snapshot is served
   * @param isLocal whether this process registered the instance itself; such instances are served at any age
   */
  constructor(
    private readonly feed: SnapshotFeed,
    private readonly maxAgeMs: number,
    private readonly isLocal: (key: InstanceKey) => boolean,
  ) {}

  /** All services. @throws RegistryUnavailableError if an empty list would only mean that nothing is known */
  all(): Services {
    const services = this.services();
    if (services.size === 0) this.assertKnown();
    return services;
  }

  /**
   * The instances of one service. The list keeps its identity until something other than a heartbeat changes it.
   * @throws RegistryUnavailableError
   */
  of(name: string): readonly ServiceInstance[] {
    const instances = this.services().get(name);
    if (instances) return steadyList(instances);
    this.assertKnown(name);
    return NO_INSTANCES;
  }

  private services(): Services {
    return this.isTooOld() ? this.localServices() : this.feed.snapshot.services;
  }

  /** Computed once per snapshot, so that lists keep their identity. */
  private localServices(): Services {
    const snapshot = this.feed.snapshot;
    if (this.local?.of === snapshot) return this.local.services;
    const services = new Map<string, readonly ServiceInstance[]>();
    for (const [name, instances] of snapshot.services) {
      const local = instances.filter((instance) => this.isLocal(instance));
      if (local.length > 0) services.set(name, local);
    }
    this.local = { of: snapshot, services };
    return services;
  }

  private assertKnown(service?: string): void {
    if (this.isTooOld()) throw this.tooOld();
    if (this.feed.snapshot.ready) return;
    const what = service === undefined ? 'Nothing' : `No instance of "${service}"`;
    const failure = this.feed.lastFailure;
    const hint = failure === undefined ? IN_A_TEST : `The last attempt failed: ${failure}`;
    throw new RegistryUnavailableError(`${what} is known: the registry has not answered yet. ${hint}`, { service });
  }

  private isTooOld(): boolean {
    const { ready, connected } = this.feed.snapshot;
    return ready && !connected && this.feed.ageMs() > this.maxAgeMs;
  }

  private tooOld(): RegistryUnavailableError {
    const [age, limit] = [this.feed.ageMs(), this.maxAgeMs].map((ms) => Math.floor(ms / 1_000));
    return new RegistryUnavailableError(
      `The registry is unreachable, and its last answer is ${age} s old: more than the ${limit} s of maxSnapshotAge. ` +
        'Bring it back, or raise maxSnapshotAge',
    );
  }
}
