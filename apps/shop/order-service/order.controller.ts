import { Body, Controller, Get, Param, Post, UseInterceptors } from '@nestjs/common';
import { ChaosInterceptor } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';
import { note } from '../support/journal.js';
import { type Receipt } from '../support/receipt.js';
import { InventoryClient } from './inventory.client.js';

interface Order {
  id: string;
  sku: string;
  inStock: boolean;
}

const ORDERS: Readonly<Record<string, readonly { id: string; sku: string }[]>> = {
  '1': [
    { id: 'o-17', sku: 'anvil' },
    { id: 'o-21', sku: 'rope' },
  ],
  '2': [{ id: 'o-18', sku: 'lantern' }],
};

@Controller('users/:userId/orders')
@UseInterceptors(ChaosInterceptor)
export class OrderController {
  constructor(private readonly inventory: InventoryClient) {}

  @Get()
  async list(@Param('userId') userId: string): Promise<{ orders: Order[]; servedBy: string }> {
    const orders = await Promise.all(
      (ORDERS[userId] ?? []).map(async ({ id, sku }) => {
        const { available } = await this.inventory.stock({ params: { sku } });
        return { id, sku, inStock: available > 0 };
      }),
    );
    return { orders, servedBy: INSTANCE };
  }

  @Post()
  async place(@Body() { id, sku }: { id: string; sku: string }): Promise<Receipt> {
    await this.inventory.reserve({ params: { sku }, json: { id } });
    note('order', id);
    return { id, servedBy: INSTANCE };
  }
}
