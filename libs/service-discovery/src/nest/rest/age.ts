import { type ServiceRegistry } from '../../registry/index.js';

/** While the registry is away, what is answered is that old, as a cache would say it (RFC 9111, section 5.1). */
export function ageHeader(registry: Pick<ServiceRegistry, 'snapshot' | 'ageMs'>): Readonly<Record<string, string>> {
  return registry.snapshot.connected ? {} : { age: String(Math.floor(registry.ageMs() / 1_000)) };
}
