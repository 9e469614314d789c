/** The app that the load goes to: it calls the other one for each request. Its argument is a `Setup`. */
import { Controller, Get, Module, Param } from '@nestjs/common';
import { CLIENTS, UserClient } from './clients.js';
import { type Setup, type User } from './lanes.js';
import { serve } from './serve.js';

export interface Order {
  readonly id: string;
  readonly user: User;
}

@Controller('orders')
class OrderController {
  constructor(private readonly users: UserClient) {}

  @Get(':id')
  async find(@Param('id') id: string): Promise<Order> {
    return { id, user: await this.users.find(id) };
  }
}

const setup = JSON.parse(process.argv[2]!) as Setup;
const { imports, provider } = await CLIENTS[setup.client](setup);

@Module({ imports, controllers: [OrderController], providers: [{ provide: UserClient, ...provider }] })
class CallerApp {}

process.on('disconnect', () => process.exit());
await serve(CallerApp, setup.platform, setup.callerPort);
