import { Body, Controller, Get, NotFoundException, Param, Post, UseInterceptors } from '@nestjs/common';
import { ChaosInterceptor } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';
import { note } from '../support/journal.js';
import { type Receipt } from '../support/receipt.js';

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

  @Post(':sku/reservations')
  reserve(@Body() { id }: Pick<Receipt, 'id'>): Receipt {
    note('reservation', id);
    return { id, servedBy: INSTANCE };
  }
}
