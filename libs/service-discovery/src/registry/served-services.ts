import { RegistryUnavailableError } from '../common/index.js';
import { type InstanceKey, type RegistrySnapshot, type ServiceInstance, steadyList } from '../model/index.js';

type Services = RegistrySnapshot['services'];

const NO_INSTANCES: readonly ServiceInstance[] = [];

export interface ServedServicesDeps {
  snapshot(): RegistrySnapshot;
  /** How old the snapshot is, in milliseconds. */
  ageMs(): number;
  /** How old it may become. */
  readonly maxAgeMs: number;
  /** Whether an instance is known first-hand, so that it serves however old all else is. */
  isLocal(key: InstanceKey): boolean;
}

/** What of the last snapshot may be gone by: all of it, until it is too old; then what is known first-hand. */
export class ServedServices {
  private local: { readonly of: RegistrySnapshot; readonly services: Services } | undefined;

  constructor(private readonly deps: ServedServicesDeps) {}

  /** All services. @throws RegistryUnavailableError rather than an empty list, which would say that there is nothing */
  all(): Services {
    const services = this.services();
    if (services.size === 0) this.assertKnown();
    return services;
  }

  /**
   * The instances of one service; the list keeps its identity until anything but heartbeats changes it.
   * @throws RegistryUnavailableError
   */
  of(name: string): readonly ServiceInstance[] {
    const instances = this.services().get(name);
    if (instances) return steadyList(instances);
    this.assertKnown(name);
    return NO_INSTANCES;
  }

  private services(): Services {
    return this.isTooOld() ? this.localServices() : this.deps.snapshot().services;
  }

  /** Put together once a snapshot, so that lists keep their identity. */
  private localServices(): Services {
    const snapshot = this.deps.snapshot();
    if (this.local?.of === snapshot) return this.local.services;
    const services = new Map<string, readonly ServiceInstance[]>();
    for (const [name, instances] of snapshot.services) {
      const local = instances.filter((instance) => this.deps.isLocal(instance));
      if (local.length > 0) services.set(name, local);
    }
    this.local = { of: snapshot, services };
    return services;
  }

  private assertKnown(service?: string): void {
    if (this.isTooOld()) throw this.tooOld();
    if (this.deps.snapshot().ready) return;
    const what = service === undefined ? 'Nothing' : `No instance of "${service}"`;
    throw new RegistryUnavailableError(`${what} is known: the registry has not answered yet`, { service });
  }

  private isTooOld(): boolean {
    const { ready, connected } = this.deps.snapshot();
    return ready && !connected && this.deps.ageMs() > this.deps.maxAgeMs;
  }

  private tooOld(): RegistryUnavailableError {
    const [age, limit] = [this.deps.ageMs(), this.deps.maxAgeMs].map((ms) => Math.floor(ms / 1_000));
    return new RegistryUnavailableError(
      `The registry cannot be reached, and its last answer is ${age} s old: more than the ${limit} s of maxSnapshotAge`,
    );
  }
}
