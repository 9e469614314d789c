import { ServiceCall, ServiceClient, type ServiceMethod } from 'nest-service-discovery';

import { type Receipt } from '../support/receipt.js';

interface Stock {
  available: number;
}

/** What orders need of the inventory. */
@ServiceClient('inventory-service', { timeout: '10s' })
export class InventoryClient {
  @ServiceCall('GET /stock/:sku')
  readonly stock!: ServiceMethod<Stock, { params: { sku: string } }>;

  /** Not to be done twice, so it is sent once: no POST is retried that may have arrived. */
  @ServiceCall('POST /stock/:sku/reservations')
  readonly reserve!: ServiceMethod<Receipt, { params: { sku: string }; json: { id: string } }>;
}
