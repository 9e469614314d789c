import { Injectable } from '@nestjs/common';
import { ResilientCall, ServiceCommunicator } from 'nest-service-discovery';
import { CatalogClient, type Stock } from './catalog.client.js';
import { INSTANCE } from '../support/instance.js';
import { type Receipt } from '../support/receipt.js';

export interface User {
  id: string;
  name: string;
  servedBy: string;
}

export interface Recommendations {
  items: string[];
  personal: boolean;
  servedBy: string;
}

/** Everything about a user; a part that is unavailable is null and named in `missing`. */
export interface Overview {
  user: User | null;
  orders: unknown;
  recommendations: unknown;
  missing: string[];
}

@Injectable()
export class ShopService {
  constructor(
    private readonly communicator: ServiceCommunicator,
    private readonly catalog: CatalogClient,
  ) {}

  /** One call: discovered, balanced, retried on another instance. */
  user(id: string): Promise<User> {
    return this.communicator.callServiceJson<User>('user-service', { path: `/users/${encodeURIComponent(id)}` });
  }

  /** Three concurrent calls, each of which may fail without the others. */
  async overview(id: string): Promise<Overview> {
    const user = encodeURIComponent(id);
    const parts = ['user', 'orders', 'recommendations'] as const;
    const results = await this.communicator.parallelServiceCalls([
      { serviceName: 'user-service', path: `/users/${user}` },
      { serviceName: 'order-service', path: `/users/${user}/orders` },
      { serviceName: 'recommendation-service', path: `/recommendations/${user}` },
    ]);
    const data = results.map((result) => (result.success ? result.data : null));
    return {
      user: data[0] as User | null,
      orders: data[1],
      recommendations: data[2],
      missing: parts.filter((_part, index) => !results[index]?.success),
    };
  }

  /** Personal recommendations, or bestsellers while they are unavailable. */
  async recommendations(id: string): Promise<Recommendations> {
    const { data } = await this.communicator.callServiceWithFallback<Recommendations>({
      primaryService: 'recommendation-service',
      fallbackService: 'recommendation-backup',
      path: `/recommendations/${encodeURIComponent(id)}`,
    });
    return data;
  }

  /** POST: sent once, unless it certainly never arrived. */
  order(user: string, json: { id: string; sku: string }): Promise<Receipt> {
    return this.post('order-service', `/users/${encodeURIComponent(user)}/orders`, json);
  }

  visit(user: string, json: { id: string }): Promise<Receipt> {
    return this.post('user-service', `/users/${encodeURIComponent(user)}/visits`, json);
  }

  rate(user: string, json: { id: string }): Promise<Receipt> {
    return this.post('recommendation-service', `/recommendations/${encodeURIComponent(user)}/ratings`, json);
  }

  /** A policy around a method: its fallback reports the stock as unknown, never an error. */
  @ResilientCall({
    service: 'stock-display',
    timeout: '3s',
    retry: false,
    bulkhead: { maxConcurrent: 50 },
    fallback: 'unknownStock',
  })
  stock(sku: string): Promise<Stock> {
    return this.catalog.stock({ params: { sku } });
  }

  private post(service: string, path: string, json: object): Promise<Receipt> {
    return this.communicator.callServiceJson<Receipt>(service, { method: 'POST', path, json });
  }

  protected unknownStock(sku: string): Stock {
    return { sku, available: null, servedBy: INSTANCE };
  }
}
