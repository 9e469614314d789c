// A registry of one instance with the dashboard. MARKUP stands in every field that takes it; with READ_TOKEN, that token may read
// and no one else anything; PREFIX is the global prefix.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { ServiceDiscovery, ServiceDiscoveryModule } from 'nest-service-discovery';
import { ServiceDiscoveryDashboardModule } from 'nest-service-discovery/dashboard';

const { READ_TOKEN, MARKUP = 'text', PREFIX } = process.env;
const library = ServiceDiscoveryModule.forRoot({
  mode: 'memory_only',
  logging: false,
  healthCheck: false,
  ...(READ_TOKEN && { api: { access: [{ token: READ_TOKEN, may: ['read'] }] } }),
});
const app = await NestFactory.create(
  { module: class App {}, imports: [library, ServiceDiscoveryDashboardModule] },
  { logger: false },
);
if (PREFIX) app.setGlobalPrefix(PREFIX);
await app.listen(0, '127.0.0.1');
await app.get(ServiceDiscovery).registerService({
  serviceName: 'user-service',
  instanceId: 'u1',
  host: '127.0.0.1',
  port: 9,
  // A tag has no spaces.
  tags: ['<img>'],
  metadata: { note: MARKUP, password: 'not-to-be-seen' },
});
console.log(`listens on ${await app.getUrl()}`);
