import { type ServiceInstance } from '../../model/index.js';
import {
  OutlierDetector,
  type OutlierView,
  reportOutliers,
  type ResolvedOutlierDetectionOptions,
} from '../../resilience/index.js';
import { type BreakerDeps } from './breakers.js';
import { keyOfSettings } from './settings-key.js';

/** An instance that picks avoid for a while, and why. */
export interface EjectionView extends OutlierView {
  readonly service: string;
}

/** The outlier detectors of one service: one for all callers whose settings for it are the same. */
export class OutlierDetectors {
  private readonly bySettings = new Map<string, OutlierDetector>();
  private ids: readonly string[] = [];

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
      detector.retain(this.ids);
      this.bySettings.set(key, detector);
    }
    return detector;
  }

  /** @param replaced the ids under which somebody registered anew */
  update(instances: readonly ServiceInstance[], replaced: readonly string[]): void {
    this.ids = instances.map(({ instanceId }) => instanceId);
    for (const detector of this.bySettings.values()) {
      for (const id of replaced) detector.forget(id);
      detector.retain(this.ids);
    }
  }

  /** Instances that are ejected now. */
  ejections(): EjectionView[] {
    return [...this.bySettings.values()].flatMap((detector) =>
      detector
        .snapshot()
        .instances.filter(({ ejected }) => ejected)
        .map((view) => ({ service: this.service, ...view })),
    );
  }
}
