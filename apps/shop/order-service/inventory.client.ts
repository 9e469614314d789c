import { ServiceCall, ServiceClient, type ServiceMethod } from 'nest-service-discovery';

interface Stock {
  available: number;
}

/** What orders need of the inventory. */
@ServiceClient('inventory-service', { timeout: '2s' })
export class InventoryClient {
  @ServiceCall('GET /stock/:sku')
  readonly stock!: ServiceMethod<Stock, { params: { sku: string } }>;
}
