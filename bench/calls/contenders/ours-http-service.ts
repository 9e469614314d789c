import 'reflect-metadata';
import { HttpService } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ServiceDiscovery, ServiceDiscoveryModule } from 'nest-service-discovery';
import { DiscoveryHttpModule } from 'nest-service-discovery/axios';
import { firstValueFrom } from 'rxjs';
import { type Contender } from './contender.js';
import { CALLED_SERVICE, registrationsOf } from './registrations.js';

@Module({ imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only' }), DiscoveryHttpModule] })
class ClientModule {}

/** The library behind an app's `HttpService`, with all of the module's defaults. */
export const oursHttpService: Contender = {
  async setup(target) {
    const app = await NestFactory.createApplicationContext(ClientModule, { logger: ['error', 'warn'] });
    const discovery = app.get(ServiceDiscovery);
    await Promise.all(registrationsOf(target).map((one) => discovery.registerService(one)));
    const http = app.get(HttpService);
    return {
      async call({ method, path, json }) {
        const url = `http://${CALLED_SERVICE}${path}`;
        const { data } = await firstValueFrom(http.request<unknown>({ method, url, data: json }));
        return data;
      },
      close: () => app.close(),
    };
  },
};
