import { afterEach, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { DiscoverableService, ServiceDiscoveryModule } from 'nest-service-discovery';
import { CLOCK } from '../libs/service-discovery/src/nest/tokens.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { registered } from './support/nest-app.js';

let app: INestApplication | undefined;

afterEach(() => app?.close());

@DiscoverableService({ name: 'user-service' })
@Module({ imports: [ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false })] })
class AppModule {}

/** Warnings of an app some time after it registered. */
async function warningsOf(prepare: (starting: INestApplication) => void): Promise<unknown[]> {
  const clock = new ManualClock();
  const builder = Test.createTestingModule({ imports: [AppModule] });
  const module = await builder.overrideProvider(CLOCK).useValue(clock).compile();
  app = module.createNestApplication();
  const warnings: unknown[] = [];
  const ignore = (): void => undefined;
  app.useLogger({ log: ignore, error: ignore, warn: (message: unknown) => void warnings.push(message) });
  prepare(app);
  await app.listen(0, '127.0.0.1');
  await registered(app, 'user-service');
  await clock.advanceAsync(15_000);
  return warnings;
}

it('an app that registers without shutdown hooks is warned', async () => {
  const told = /^user-service will not deregister at SIGTERM or SIGINT.* Call app\.enableShutdownHooks\(\)$/;
  expect(await warningsOf(() => undefined)).toEqual([expect.stringMatching(told)]);
});

it('an app with shutdown hooks is not warned', async () => {
  expect(await warningsOf((starting) => starting.enableShutdownHooks())).toEqual([]);
});
