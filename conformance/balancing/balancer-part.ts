/** A balancer under test. */
export interface BalancerPart {
  /** Replaces the instances. */
  update(ids: readonly string[]): Promise<void>;
  /** Picks the instance for a call that succeeds at once. */
  pick(key?: string): Promise<string>;
}

/** The balancers of an app, one per service. */
export interface BalancersPart {
  of(service: string): BalancerPart;
  close(): Promise<void>;
}

/** A balancer that considers the load or health of instances. */
export interface LoadAwarePart extends BalancerPart {
  /** Makes one of the present instances look bad, by the balancer's own criterion. */
  burden(id: string): Promise<void>;
  close(): Promise<void>;
}

/** The balancers of a library. */
export interface BalancingParts {
  readonly roundRobin?: () => BalancersPart;
  readonly leastConnections?: () => BalancersPart;
  readonly weightedRoundRobin?: (weights: Readonly<Record<string, number>>) => BalancersPart;
  readonly consistentHash?: () => BalancersPart;
  readonly loadAware?: () => LoadAwarePart;
}
