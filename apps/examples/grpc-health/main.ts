import { promisify } from 'node:util';
import { type sendUnaryData, Server, ServerCredentials } from '@grpc/grpc-js';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ServiceDiscovery, ServiceDiscoveryModule } from 'nest-service-discovery';

/**
 * `grpc.health.v1.Health`, which the registry asks because the protocol is `grpc`. The package grpc-health-check has it whole; the
 * answer is this one field. (A microservice of Nest over gRPC registers by `@DiscoverableService()` instead.)
 */
const HEALTH = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: (request: Buffer) => request,
    requestDeserialize: (request: Buffer) => request,
    responseSerialize: (isServing: boolean) => Buffer.from([8, isServing ? 1 : 2]),
    responseDeserialize: (bytes: Buffer) => bytes[1] === 1,
  },
} as const;

@Module({
  imports: [
    ServiceDiscoveryModule.forRoot({
      registryUrl: process.env.SERVICE_DISCOVERY_REGISTRY_URL ?? 'http://127.0.0.1:3000',
    }),
  ],
})
class MailModule {}

const server = new Server();
server.addService(HEALTH, { check: (_: unknown, callback: sendUnaryData<boolean>) => callback(null, true) });
const host = process.env.HOST ?? '127.0.0.1';
const bind = promisify(server.bindAsync.bind(server));
const port = await bind(`${host}:${process.env.PORT ?? 0}`, ServerCredentials.createInsecure());

const app = await NestFactory.createApplicationContext(MailModule);
app.enableShutdownHooks();
await app.get(ServiceDiscovery).registerService({ serviceName: 'mail-service', protocol: 'grpc', host, port });
console.log(`mail-service listens on http://${host}:${port}`);
