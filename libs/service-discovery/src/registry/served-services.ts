import { RegistryUnavailableError } from '../common/index.js';
import { type RegistrySnapshot, type ServiceInstance } from '../model/index.js';

type Services = RegistrySnapshot['services'];

const NO_INSTANCES: readonly ServiceInstance[] = [];

export interface ServedServicesDeps {
  snapshot(): RegistrySnapshot;
  /** How old the snapshot is, in milliseconds. */
  ageMs(): number;
  /** How old it may become. */
  readonly maxAgeMs: number;
}

/** What of the last snapshot may be gone by: all of it, until it is too old. */
export class ServedServices {
  constructor(private readonly deps: ServedServicesDeps) {}

  /** All services. @throws RegistryUnavailableError rather than an empty list, which would say that there is nothing */
  all(): Services {
    const services = this.services();
    if (services.size === 0) this.assertKnown();
    return services;
  }

  /** The instances of one service; the list keeps its identity until it changes. @throws RegistryUnavailableError */
  of(name: string): readonly ServiceInstance[] {
    const instances = this.services().get(name) ?? NO_INSTANCES;
    if (instances.length === 0) this.assertKnown(name);
    return instances;
  }

  private services(): Services {
    if (this.isTooOld()) throw this.tooOld();
    return this.deps.snapshot().services;
  }

  private assertKnown(service?: string): void {
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
