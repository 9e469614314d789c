import { loadSignalOf, loadSignalOfStatus, type LoadSignal } from '../../resilience/index.js';
import { type Call } from './call.js';

/**
 * What the end of a call says of the load of the service: what the last attempt does. Nothing where nobody was asked, such
 * as where its time ran out while it waited for a slot of our own.
 */
export function loadSignalOfCall<T>({ last, attempts, abandoned }: Call<T>, error?: unknown): LoadSignal {
  if (abandoned || attempts === 0) return 'ignored';
  if (last?.error !== undefined) return loadSignalOf(last.error);
  if (last?.status !== undefined) return loadSignalOfStatus(last.status);
  return loadSignalOf(error);
}
