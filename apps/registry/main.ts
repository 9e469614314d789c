import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RegistryModule } from './registry.module.js';

const app = await NestFactory.create(RegistryModule);
// Makes the process deregister and close its connections in order on SIGTERM.
app.enableShutdownHooks();

// A client that can register an instance decides where calls go, so by default the registry accepts connections from
// this machine only. To admit other machines, set HOST to the address of a trusted network, and SERVICE_DISCOVERY_TOKEN
// to a secret shared with them.
await app.listen(process.env.PORT ?? 3000, process.env.HOST ?? '127.0.0.1');
const url = await app.getUrl();
Logger.log(`The registry listens on ${url} with its dashboard at ${url}/service-discovery/ui`, 'Registry');
