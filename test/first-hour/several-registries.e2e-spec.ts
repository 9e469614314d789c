import { afterEach, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import {
  DiscoverableService,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { type AppModule, Apps, registered, urlOf } from '../support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

const QUIET: ServiceDiscoveryOptions = { logging: false, healthCheck: false, waitForFirst: false };
const WAY_OUT =
  'This process is a registry of its own (memory_only), and no other process has registered here: processes find each other ' +
  "by a common registryUrl (SERVICE_DISCOVERY_REGISTRY_URL), or over Redis (mode: 'redis_backed')";

function appOf(name: string, options: ServiceDiscoveryOptions = {}): AppModule {
  @DiscoverableService({ name })
  @Module({ imports: [ServiceDiscoveryModule.forRoot({ ...QUIET, ...options })] })
  class App {}
  return App;
}

describe('two apps without a registryUrl', () => {
  it('fail to find each other with an error that says so, and names the setting that joins them', async () => {
    const [gateway] = [await apps.listen(appOf('gateway')), await apps.listen(appOf('user-service'))];
    await registered(gateway, 'gateway');
    await expect(gateway.get(ServiceCommunicator).callServiceJson('user-service', { path: '/' })).rejects.toMatchObject(
      {
        code: 'SERVICE_NOT_FOUND',
        message: `No service named "user-service" is registered: known are gateway. ${WAY_OUT}`,
      },
    );
    await expect(gateway.get(ServiceDiscovery).waitForService('user-service', { timeout: 0 })).rejects.toMatchObject({
      code: 'SERVICE_NOT_READY',
      message: `"user-service" was not there within 0 ms: no instance of it is registered. ${WAY_OUT}`,
    });
  });
});

describe('an app that other processes register with', () => {
  it('does not say of an unknown service that it is alone', async () => {
    const registry = await apps.listen(appOf('gateway'));
    await apps.listen(appOf('user-service', { registryUrl: urlOf(registry) }));
    await registered(registry, 'user-service');
    await expect(registry.get(ServiceCommunicator).callServiceJson('billing', { path: '/' })).rejects.toMatchObject({
      message: expect.stringMatching(/^No service named "billing" is registered: known are [\w-]+, [\w-]+$/),
    });
  });
});
