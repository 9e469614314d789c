import { instancesOf, registeredAt, type ShopProcess } from '../../shop/fleet.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

/** Short durations, so that the audience does not wait for minutes as in production. */
const HASTE: Readonly<Record<string, string>> = {
  SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL: '2',
  SERVICE_DISCOVERY_HEALTH_CHECK_TIMEOUT: '2',
  // Long enough for three checks to fail before it expires, even if checks and heartbeats are late.
  SERVICE_DISCOVERY_SERVICE_TTL: '15',
  SERVICE_DISCOVERY_CIRCUIT_BREAKER_RECOVERY_TIMEOUT: '2',
  SERVICE_DISCOVERY_RETRY_BASE_DELAY: '0.05',
};

/** The services of the shop in the demo. */
function cast(registryUrl: string): ShopProcess[] {
  const env = { ...HASTE, ...registeredAt(registryUrl) };
  return [
    ...instancesOf('gateway', ['gateway'], env),
    ...instancesOf('user-service', ['user-1', 'user-2', 'user-3'], env),
    ...instancesOf('order-service', ['order-1', 'order-2'], env),
    ...instancesOf('inventory-service', ['inventory-1', 'inventory-2'], env),
    ...instancesOf('recommendation-service', ['recommendation-1'], env),
    ...instancesOf('recommendation-backup', ['backup-1'], env),
  ];
}

/** Starts the registry and ten service processes; each service registers itself. */
export async function opening(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const registry = await stage.start({ name: 'registry', script: 'registry/main.js', env: { ...HASTE, PORT: '0' } });
  print.say(`registry           ${registry.url}  (pid ${registry.pid})`);

  const specs = cast(registry.url);
  const started = await Promise.all(specs.map((spec) => stage.start(spec)));
  for (const { name, url, pid } of started) print.say(`${name.padEnd(18)} ${url}  (pid ${pid})`);

  const health = await waitFor('every instance to be registered and checked', async () => {
    const now = await stage.health();
    const instances = Object.values(now.services).flatMap((service) => service.instances);
    return instances.length === specs.length && instances.every(({ status }) => status === 'healthy') ? now : undefined;
  });
  claims.check(
    `${specs.length} processes registered by themselves and passed their health check`,
    started.every((process) => process.running),
    `${health.total_services} services`,
  );
  await stage.healthBecomes('healthy', 'before anything happens');
}
