/** A balancer under test. */
export interface BalancerPart {
  /** The instances that there are from now on. */
  update(ids: readonly string[]): Promise<void>;
  /** The instance for one call, which ends well and at once. */
  pick(key?: string): Promise<string>;
}

/** The balancers of an app, one a service. */
export interface BalancersPart {
  of(service: string): BalancerPart;
  close(): Promise<void>;
}

/** A balancer that goes by how the instances do. */
export interface LoadAwarePart extends BalancerPart {
  /** Makes one of the present instances look bad, by whatever the balancer goes by. */
  burden(id: string): Promise<void>;
  close(): Promise<void>;
}

/** What a library balances with. */
export interface BalancingParts {
  readonly roundRobin?: () => BalancersPart;
  readonly leastConnections?: () => BalancersPart;
  readonly weightedRoundRobin?: (weights: Readonly<Record<string, number>>) => BalancersPart;
  readonly consistentHash?: () => BalancersPart;
  readonly loadAware?: () => LoadAwarePart;
}
