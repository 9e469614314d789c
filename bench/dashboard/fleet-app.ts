/** A registry with the dashboard, whose instances change all the time. Forked; argument: a {@link Fleet} as JSON. */
import { type AddressInfo, type Server } from 'node:net';
import { type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { ServiceDiscoveryDashboardModule } from 'nest-service-discovery/dashboard';
import { LARGE, type Fleet } from './fleet.js';

const { services, instances, large, changesPerSecond } = JSON.parse(process.argv[2]!) as Fleet;
/** How often instances change: times a second. */
const TICKS = 10;
/** So many changes of health come with one registration that ends and begins again. */
const HEALTH_CHANGES = 20;

interface Key {
  readonly serviceName: string;
  readonly instanceId: string;
}

const library = ServiceDiscoveryModule.forRoot({
  mode: 'memory_only',
  logging: false,
  healthCheck: { enabled: false },
});
const module = { module: class FleetApp {}, imports: [library, ServiceDiscoveryDashboardModule] };
const app = await NestFactory.create<INestApplication<Server>>(module, { logger: false });
await app.listen(0, '127.0.0.1');
const registry = app.get(ServiceRegistry);

const keys: Key[] = [];
for (let n = 0; n < instances; n++) keys.push({ serviceName: `service-${n % services}`, instanceId: `instance-${n}` });
for (let n = 0; n < large; n++) keys.push({ serviceName: LARGE, instanceId: `instance-${n}` });
await Promise.all(keys.map(register));
await Promise.all(keys.map((key) => registry.setStatus(key, 'healthy', { checkedAt: Date.now() })));

let changes = 0;
setInterval(() => {
  for (let n = 0; n < changesPerSecond / TICKS; n++) void change(changes++);
}, 1_000 / TICKS);
process.send!((app.getHttpServer().address() as AddressInfo).port);

function register(key: Key): Promise<unknown> {
  const n = Number(key.instanceId.replace('instance-', ''));
  const tree = key.serviceName === LARGE ? [] : [`service-${Math.floor((n % services) / 2)}`];
  return registry.register(
    {
      ...key,
      host: '127.0.0.1',
      port: 1_024 + (n % 60_000),
      version: `1.${n % 5}.0`,
      zone: `zone-${n % 3}`,
      tags: ['api', `team-${n % 20}`],
      metadata: { rack: `rack-${n % 40}` },
      dependencies: tree.filter((name) => name !== key.serviceName),
    },
    { heartbeat: 'manual' },
  );
}

/** Every other change is one of the large service; what fails is well again a while later. */
async function change(n: number): Promise<void> {
  const key = n % 2 === 0 ? keys[(n * 31) % instances]! : keys[instances + ((n * 31) % large)]!;
  if (n % HEALTH_CHANGES === 0) {
    await registry.deregister(key);
    await register(key);
  }
  const isFailed = registry.getInstance(key)?.status === 'unhealthy';
  await registry.setStatus(key, isFailed ? 'healthy' : 'unhealthy', { checkedAt: Date.now(), reason: 'status 503' });
}
