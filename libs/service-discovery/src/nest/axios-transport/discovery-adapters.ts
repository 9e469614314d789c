const ADAPTERS = new WeakSet<object>();

/** Marks an axios adapter that sends through the communicator. */
export function markDiscoveryAdapter(adapter: object): void {
  ADAPTERS.add(adapter);
}

/** Whether an axios adapter sends through the communicator. */
export function isDiscoveryAdapter(adapter: unknown): boolean {
  return typeof adapter === 'function' && ADAPTERS.has(adapter);
}
