import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { HttpService } from '@nestjs/axios';
import { Controller, Get, Module } from '@nestjs/common';
import { DiscoverableService, ServiceDiscovery, ServiceDiscoveryModule } from 'nest-service-discovery';
import { DiscoveryHttpModule } from 'nest-service-discovery/axios';
import { firstValueFrom } from 'rxjs';
import { Apps, registered } from '../support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

@DiscoverableService({ name: 'user-service' })
@Controller('users')
class UserController {
  @Get('1')
  find(): object {
    return { id: '1' };
  }
}

@Module({
  imports: [ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false }), DiscoveryHttpModule.register()],
  controllers: [UserController],
})
class AppModule {}

describe('HttpService of DiscoveryHttpModule and a URL with a port', () => {
  it.each(['http://user-service:3000/users/1', 'http://user-service:/users/1'])(
    'sends %s to an instance of the registered service, at the port of the instance',
    async (url) => {
      const app = await apps.listen(AppModule);
      await registered(app, 'user-service');
      const { data, request } = await firstValueFrom(app.get(HttpService).get(url));
      expect(data).toEqual({ id: '1' });
      expect(request).toMatchObject({ service: 'user-service', attempts: 1 });
    },
  );

  it('sends it to the host of that name while no such service speaks HTTP', async () => {
    const server = createServer((_request, response) => response.end('host'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const app = await apps.listen(AppModule);
      const { port } = server.address() as AddressInfo;
      await app.get(ServiceDiscovery).registerService({
        serviceName: 'search.localhost',
        host: '127.0.0.1',
        port,
        protocol: 'tcp',
      });
      const lookup = (
        _host: string,
        _options: object,
        found: (error: null, address: string, family: 4) => void,
      ): void => found(null, '127.0.0.1', 4);
      const ask = async (host: string): Promise<unknown> =>
        (await firstValueFrom(app.get(HttpService).get(`http://${host}:${port}/`, { lookup }))).data;
      await expect(ask('orders')).resolves.toBe('host');
      await expect(ask('search.localhost')).resolves.toBe('host');
    } finally {
      server.close();
    }
  });
});
