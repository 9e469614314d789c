import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RegistryModule } from './registry.module.js';

const app = await NestFactory.create(RegistryModule);
// Deregistration and connections end in order when the process is asked to stop.
app.enableShutdownHooks();

// A client that can register an instance decides where calls go, so the registry is reachable from this machine only by
// default. To let other machines in, set HOST to the address of a network that you trust, and SERVICE_DISCOVERY_TOKEN to the
// secret that they share with it.
await app.listen(process.env.PORT ?? 3000, process.env.HOST ?? '127.0.0.1');
Logger.log(`The registry listens on ${await app.getUrl()}`, 'Registry');
