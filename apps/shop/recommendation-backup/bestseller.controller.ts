import { Controller, Get } from '@nestjs/common';
import { INSTANCE } from '../support/instance.js';

/** Answers the calls of the recommendation service, the same for everyone: plain, but always there. */
@Controller('recommendations')
export class BestsellerController {
  @Get(':userId')
  find(): { items: readonly string[]; personal: boolean; servedBy: string } {
    return { items: ['rope', 'lantern'], personal: false, servedBy: INSTANCE };
  }
}
