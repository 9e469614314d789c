/**
 * One watching process, forked by `watchers.ts`: follows all services through a `ServiceRegistry`, receives bare
 * messages as well, and reports both to its parent.
 */
import { Redis } from 'ioredis';
import { RedisRegistryStore, ServiceRegistry, type RegistrySnapshot } from 'nest-service-discovery/core';
import { BARE_CHANNEL, epochNow, type Answer, type Question } from './messages.js';

const [url = ''] = process.argv.slice(2);
const store = new RedisRegistryStore({ url, commandTimeout: '30s' });
const registry = new ServiceRegistry(store, { startTimeout: '30s' });
const bare = new Redis(url);
const changes: number[] = [];
const bareMessages: number[] = [];
/** Open questions, re-evaluated after every event; true: answered. */
const open = new Set<() => boolean>();

const answer = (message: Answer): boolean => process.send?.(message) !== undefined;
const review = (): void => open.forEach((isAnswered) => isAnswered() && open.delete(isAnswered));

registry.onChange((_snapshot, _previous, change) => {
  if (change?.type === 'put' && typeof change.instance.metadata.sentAt === 'number') {
    changes.push(epochNow() - change.instance.metadata.sentAt);
  }
  review();
});
bare.on('message', (_channel: string, text: string) => {
  bareMessages.push(epochNow() - (JSON.parse(text) as { sentAt: number }).sentAt);
  review();
});
await registry.start();
await bare.subscribe(BARE_CHANNEL);
let usedAtFirst = 0;

process.on('message', (question: Question) => {
  switch (question.type) {
    case 'instances':
      open.add(() => instancesIn(registry.snapshot).length >= question.count && answer({ type: 'done' }));
      break;
    case 'changes':
      open.add(
        () =>
          changes.length >= question.count &&
          bareMessages.length >= question.count &&
          answer({ type: 'delays', changes, bareMessages }),
      );
      break;
    case 'baseline':
      open.add(() => {
        if (registry.snapshot.services.size > 0) return false;
        usedAtFirst = usedBytes();
        return answer({ type: 'done' });
      });
      break;
    case 'memory':
      answer({ type: 'memory', ...measureMemory() });
      break;
  }
  review();
});
process.on('disconnect', () => process.exit());
answer({ type: 'done' });

function measureMemory(): { watchedBytes: number; plainBytes: number; rssBytes: number } {
  const watchedBytes = usedBytes() - usedAtFirst;
  const rssBytes = process.memoryUsage.rss();
  const texts = instancesIn(registry.snapshot).map((instance) => JSON.stringify(instance));
  const before = usedBytes();
  const plain = texts.map((text) => JSON.parse(text) as unknown);
  const plainBytes = usedBytes() - before;
  if (plain.length !== texts.length) throw new Error('both are needed until here');
  return { watchedBytes, plainBytes, rssBytes };
}

function instancesIn({ services }: RegistrySnapshot): unknown[] {
  return [...services.values()].flat();
}

function usedBytes(): number {
  // Twice: the first run releases the owners of buffers.
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
