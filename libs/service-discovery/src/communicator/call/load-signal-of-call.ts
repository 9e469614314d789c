import { loadSignalOf, loadSignalOfStatus, type LoadSignal } from '../../resilience/index.js';
import { type Call } from './call.js';

/** What the end of a call says of the load of the service: that of the last attempt, where there was one. */
export function loadSignalOfCall<T>({ last, abandoned }: Call<T>, error?: unknown): LoadSignal {
  if (abandoned) return 'ignored';
  if (last?.error !== undefined) return loadSignalOf(last.error);
  if (last?.status !== undefined) return loadSignalOfStatus(last.status);
  return loadSignalOf(error);
}
