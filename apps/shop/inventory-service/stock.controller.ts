import { Controller, Get, NotFoundException, Param, UseInterceptors } from '@nestjs/common';
import { ChaosInterceptor } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';

interface Stock {
  sku: string;
  available: number;
  /** Which instance answered. */
  servedBy: string;
}

const AVAILABLE: Readonly<Record<string, number>> = { anvil: 7, lantern: 24, rope: 120 };

@Controller('stock')
@UseInterceptors(ChaosInterceptor)
export class StockController {
  @Get(':sku')
  find(@Param('sku') sku: string): Stock {
    const available = AVAILABLE[sku];
    if (available === undefined) throw new NotFoundException(`There is no article ${sku}`);
    return { sku, available, servedBy: INSTANCE };
  }
}
