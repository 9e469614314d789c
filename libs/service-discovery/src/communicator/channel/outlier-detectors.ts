import { type ServiceInstance } from '../../model/index.js';
import {
  OutlierDetector,
  type OutlierView,
  reportOutliers,
  type ResolvedOutlierDetectionOptions,
} from '../../resilience/index.js';
import { type BreakerDeps } from './breakers.js';
import { type InstanceChanges } from './instance-changes.js';
import { keyOfSettings } from './shared-policies.js';

/** An ejected instance, and why. */
export interface EjectionView extends OutlierView {
  readonly service: string;
}

/** The outlier detectors of one service, shared by callers with the same detection settings. */
export class OutlierDetectors {
  private readonly bySettings = new Map<string, OutlierDetector>();
  private instances: readonly ServiceInstance[] = [];

  constructor(
    private readonly service: string,
    private readonly deps: BreakerDeps,
  ) {}

  of(options: ResolvedOutlierDetectionOptions): OutlierDetector {
    const key = keyOfSettings(options) ?? '';
    let detector = this.bySettings.get(key);
    if (!detector) {
      const { clock, random, events } = this.deps;
      detector = new OutlierDetector(options, { clock, random, ...reportOutliers(events, this.service) });
      detector.retain(idsOf(this.instances));
      this.bySettings.set(key, detector);
    }
    return detector;
  }

  update(instances: readonly ServiceInstance[], { joined, left, replaced, recovered }: InstanceChanges): void {
    this.instances = instances;
    for (const detector of this.bySettings.values()) {
      for (const { instanceId } of replaced) detector.forget(instanceId);
      // Envoy's `successful_active_health_check_uneject_host`.
      for (const { instanceId } of recovered) detector.readmit(instanceId);
      if (joined.length > 0 || left.length > 0) detector.retain(idsOf(instances));
    }
  }

  /** Currently ejected instances. */
  ejections(): EjectionView[] {
    return [...this.bySettings.values()].flatMap((detector) =>
      detector
        .snapshot()
        .instances.filter(({ ejected }) => ejected)
        .map((view) => ({ service: this.service, ...view })),
    );
  }
}

function idsOf(instances: readonly ServiceInstance[]): string[] {
  return instances.map(({ instanceId }) => instanceId);
}
