/**
 * `npm start`: the registry and the shop, until Ctrl-C. The registry uses REGISTRY_PORT (default 3000) and the gateway
 * PORT (default 3001), or a free port if that is in use; all others use free ports.
 */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { ProcessGroup } from '../support/processes.js';
import { instancesOf, registeredAt } from './fleet.js';

const group = new ProcessGroup({
  onLine: (name, line) => {
    if (/\b(WARN|ERROR|FATAL)\b/.test(line)) console.log(`[${name}] ${line}`);
  },
});

const stopped = new Promise<NodeJS.Signals>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      resolve(signal);
    });
  }
});

try {
  const signal = await Promise.race([openShop(), stopped]).then(() => stopped);
  console.log(`\n${signal}: closing the shop`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await group.stop();
}
process.exit();

async function openShop(): Promise<void> {
  const registry = await group.start({
    name: 'registry',
    script: 'registry/main.js',
    env: { PORT: await portOr(process.env.REGISTRY_PORT ?? '3000') },
  });
  console.log(`Dashboard: ${registry.url}/service-discovery/ui`);
  const env = registeredAt(registry.url);
  const [gateway] = await Promise.all(
    [
      ...instancesOf('gateway', ['gateway'], { ...env, PORT: await portOr(process.env.PORT ?? '3001') }),
      ...instancesOf('user-service', ['user-1', 'user-2'], env),
      ...instancesOf('order-service', ['order-1', 'order-2'], env),
      ...instancesOf('inventory-service', ['inventory-1', 'inventory-2'], env),
      ...instancesOf('recommendation-service', ['recommendation-1'], env),
      ...instancesOf('recommendation-backup', ['backup-1'], env),
    ].map(async (spec) => {
      const started = await group.start(spec);
      console.log(`  ${spec.name.padEnd(18)} ${started.url}`);
      return started;
    }),
  );
  const shop = gateway?.url ?? '';
  console.log(`
The shop is open. See it:
  ${registry.url}/service-discovery/ui
  ${shop}/service-discovery/ui (as the gateway sees it, with the circuits of its calls)
Call it:
  curl ${shop}/shop/users/1
  curl ${shop}/shop/users/1/overview
  curl ${shop}/shop/users/1/recommendations
  curl ${shop}/shop/stock/anvil
  curl ${registry.url}/service-discovery/services
  curl '${registry.url}/service-discovery/discover/user-service?version=^1.2'
  curl ${registry.url}/service-discovery/health/aggregated
  curl ${shop}/service-discovery/circuit-breakers
Another machine needs the token of this run:
  -H 'authorization: Bearer ${group.token}'
Ctrl-C closes it.`);
}

/** The port if it is free, else 0: any free one. */
async function portOr(port: string): Promise<string> {
  const server = createServer().listen(Number(port), '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return '0';
  }
  server.close();
  await once(server, 'close');
  return port;
}
