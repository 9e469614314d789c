import { ServiceCall, ServiceClient, type ServiceMethod } from 'nest-service-discovery';

export interface Stock {
  sku: string;
  /** Null: not known right now. */
  available: number | null;
  servedBy: string;
}

/** A typed client: the class says what can be called, the library makes the calls. */
@ServiceClient('inventory-service', { timeout: '2s' })
export class CatalogClient {
  @ServiceCall('GET /stock/:sku')
  readonly stock!: ServiceMethod<Stock, { params: { sku: string } }>;
}
