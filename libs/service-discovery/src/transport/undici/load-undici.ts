/** Types alone: importing undici takes as long as a quarter of Nest, and many apps call no other service. */
import type * as Undici from 'undici';

let loaded: typeof Undici | undefined;
let loading: Promise<typeof Undici> | undefined;

/** Loads undici for the whole process; later calls get the same promise, unless it failed. */
export function loadUndici(): Promise<typeof Undici> {
  loading ??= import('undici').then(
    (module) => (loaded = module),
    (error: unknown) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

export function isUndiciLoaded(): boolean {
  return loaded !== undefined;
}

/** @throws Error if it is not loaded, which the first request of a pool waits for */
export function undici(): typeof Undici {
  if (loaded === undefined) throw new Error('undici is not loaded');
  return loaded;
}
