import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { type Receipt } from '../support/receipt.js';
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

  @Post('users/:id/orders')
  order(@Param('id') user: string, @Body() order: { id: string; sku: string }): Promise<Receipt> {
    return this.shop.order(user, order);
  }

  @Post('users/:id/visits')
  visit(@Param('id') user: string, @Body() visit: { id: string }): Promise<Receipt> {
    return this.shop.visit(user, visit);
  }

  @Post('users/:id/ratings')
  rate(@Param('id') user: string, @Body() rating: { id: string }): Promise<Receipt> {
    return this.shop.rate(user, rating);
  }

  @Get('stock/:sku')
  stock(@Param('sku') sku: string): Promise<Stock> {
    return this.shop.stock(sku);
  }
}
