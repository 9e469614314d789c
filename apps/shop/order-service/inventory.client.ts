import { ServiceCall, ServiceClient, type ServiceMethod } from 'nest-service-discovery';

import { type Receipt } from '../support/receipt.js';

interface Stock {
  available: number;
}

/** The calls that orders need. */
@ServiceClient('inventory-service', { timeout: '10s' })
export class InventoryClient {
  @ServiceCall('GET /stock/:sku')
  readonly stock!: ServiceMethod<Stock, { params: { sku: string } }>;

  /** Not idempotent, so it is sent once: a POST that may have arrived is not retried. */
  @ServiceCall('POST /stock/:sku/reservations')
  readonly reserve!: ServiceMethod<Receipt, { params: { sku: string }; json: { id: string } }>;
}
