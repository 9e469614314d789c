import { Controller, Get, Param } from '@nestjs/common';
import { type Stock } from './catalog.client.js';
import { type Overview, type Recommendations, ShopService, type User } from './shop.service.js';

@Controller('shop')
export class ShopController {
  constructor(private readonly shop: ShopService) {}

  @Get('users/:id')
  user(@Param('id') id: string): Promise<User> {
    return this.shop.user(id);
  }

  @Get('users/:id/overview')
  overview(@Param('id') id: string): Promise<Overview> {
    return this.shop.overview(id);
  }

  @Get('users/:id/recommendations')
  recommendations(@Param('id') id: string): Promise<Recommendations> {
    return this.shop.recommendations(id);
  }

  @Get('stock/:sku')
  stock(@Param('sku') sku: string): Promise<Stock> {
    return this.shop.stock(sku);
  }
}
