import { ServiceCall, ServiceClient, type ServiceMethod } from 'nest-service-discovery';

export interface Stock {
  sku: string;
  /** Null: currently unknown. */
  available: number | null;
  servedBy: string;
}

/** A typed client: the class declares the calls, the library makes them. */
@ServiceClient('inventory-service', { timeout: '2s' })
export class CatalogClient {
  @ServiceCall('GET /stock/:sku')
  readonly stock!: ServiceMethod<Stock, { params: { sku: string } }>;
}
