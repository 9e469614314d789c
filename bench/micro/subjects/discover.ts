import 'reflect-metadata';
import { type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ServiceDiscovery, ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { instancesOf } from '../../support/instances.js';
import { INSTANCE_COUNTS, type MicroCase, type MicroSubject } from '../micro-case.js';

/** Looks up a service in a minimal Nest app. */
export async function discover(): Promise<MicroSubject> {
  const cases: MicroCase[] = [];
  const apps: INestApplicationContext[] = [];
  for (const instances of INSTANCE_COUNTS) {
    const module = ServiceDiscoveryModule.forRoot({ mode: 'memory_only', healthCheck: false });
    const app = await NestFactory.createApplicationContext(module, { logger: false });
    apps.push(app);
    const registry = app.get(ServiceRegistry);
    for (const instance of instancesOf(instances, 1)) await registry.register(instance, { heartbeat: 'manual' });
    const discovery = app.get(ServiceDiscovery);
    cases.push(
      {
        what: 'discoverService',
        instances,
        async run(steps) {
          for (let step = 0; step < steps; step++) await discovery.discoverService('service-0');
        },
      },
      {
        what: 'discoverService of a version range and a tag',
        instances,
        async run(steps) {
          for (let step = 0; step < steps; step++) {
            await discovery.discoverService('service-0', { version: '^1.2', tags: ['api'] });
          }
        },
      },
      {
        what: 'servedInstances',
        instances,
        run(steps) {
          for (let step = 0; step < steps; step++) registry.servedInstances('service-0');
        },
      },
    );
  }
  return {
    cases,
    close: async () => {
      for (const app of apps) await app.close();
    },
  };
}
