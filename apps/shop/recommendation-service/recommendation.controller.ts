import { Body, Controller, Get, Param, Post, UseInterceptors } from '@nestjs/common';
import { ChaosInterceptor } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';
import { note } from '../support/journal.js';
import { type Receipt } from '../support/receipt.js';

interface Recommendations {
  items: readonly string[];
  personal: boolean;
  /** Which instance answered. */
  servedBy: string;
}

const TASTES: Readonly<Record<string, readonly string[]>> = {
  '1': ['gearbox', 'punch cards'],
  '2': ['nanoseconds of wire', 'compass'],
};

@Controller('recommendations')
@UseInterceptors(ChaosInterceptor)
export class RecommendationController {
  @Get(':userId')
  find(@Param('userId') userId: string): Recommendations {
    return { items: TASTES[userId] ?? ['almanac'], personal: true, servedBy: INSTANCE };
  }

  @Post(':userId/ratings')
  rate(@Body() { id }: Pick<Receipt, 'id'>): Receipt {
    note('rating', id);
    return { id, servedBy: INSTANCE };
  }
}
