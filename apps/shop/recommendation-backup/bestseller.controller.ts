import { Controller, Get } from '@nestjs/common';
import { INSTANCE } from '../support/instance.js';

/** Serves the API of the recommendation service with the same answer for everyone: simple, but always available. */
@Controller('recommendations')
export class BestsellerController {
  @Get(':userId')
  find(): { items: readonly string[]; personal: boolean; servedBy: string } {
    return { items: ['rope', 'lantern'], personal: false, servedBy: INSTANCE };
  }
}
