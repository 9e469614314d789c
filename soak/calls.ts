import { type Clock, type Random, type ServiceCommunicator } from 'nest-service-discovery/core';

/** What a call is made with. */
export interface CallTools {
  readonly clock: Clock;
  readonly random: Random;
  /** One that never aborts and is shared by many calls, like a server's. */
  readonly shared: AbortSignal;
}

/** A signal that aborts before the call, soon after it began, or never. */
export function signalFor({ clock, random, shared }: CallTools): { signal?: AbortSignal; release: () => void } {
  const luck = random() * 100;
  const nothing = (): void => {};
  if (luck < 50) return { release: nothing };
  if (luck < 65) return { signal: shared, release: nothing };
  const own = new AbortController();
  if (luck < 80) return { signal: own.signal, release: nothing };
  if (luck < 82) {
    own.abort(new Error('aborted before'));
    return { signal: own.signal, release: nothing };
  }
  const timer = clock.setTimer(() => own.abort(new Error('aborted during the call')), random() * 6);
  return { signal: own.signal, release: () => timer.cancel() };
}

/** One call of any kind; rejects as calls do. */
export async function callSomehow(
  communicator: ServiceCommunicator,
  signal: AbortSignal | undefined,
  { random }: CallTools,
): Promise<void> {
  const luck = random() * 100;
  const key = `k${Math.floor(random() * 50)}`;
  const path = `/things/${key}`;
  if (luck < 45) await communicator.callServiceJson('things', { path, key, signal });
  else if (luck < 60) await communicator.callServiceJson('things', { method: 'POST', path, json: { key }, signal });
  else if (luck < 68) {
    await communicator.callServiceJson('things', { method: 'POST', path, json: {}, idempotencyKey: key, signal });
  } else if (luck < 76) {
    const { body } = await communicator.callService('things', { path, key, signal });
    await body.text();
  } else if (luck < 82) {
    const { body } = await communicator.callService('things', { path, signal });
    await body.dump();
  } else if (luck < 86)
    await communicator.callServiceJson('things', { path, timeout: `${1 + random() * 4}ms`, signal });
  else if (luck < 92) {
    await communicator.callServiceWithFallback({
      primaryService: 'things',
      fallbackService: 'spares',
      path,
      signal,
    });
  } else if (luck < 97) {
    const calls = [
      { serviceName: 'things', path, signal },
      { serviceName: 'spares', path, signal },
    ] as const;
    await communicator.parallelServiceCalls(calls);
  } else await communicator.callServiceJson('unknown', { path, signal });
}
