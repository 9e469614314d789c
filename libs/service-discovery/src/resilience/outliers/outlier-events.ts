import { type EjectionReason, type EventSink } from '../../model/index.js';

/** The ejection of an instance. */
export interface Ejection {
  readonly instanceId: string;
  readonly reason: EjectionReason;
  /** What was measured, in words. */
  readonly evidence: string;
  /** How long it lasts. */
  readonly ejectedForMs: number;
  /** Recent ejections, this one included: the factor by which it is longer than the first. */
  readonly ejections: number;
  /** False in a dry run, see `enforcing`; left out: it is in force. */
  readonly enforced?: false;
}

/** Called after ejections and readmissions; what it throws is dropped. */
export interface OutlierListener {
  onEject?: (ejection: Ejection) => void;
  /** @param readmission `enforced` as in the {@link Ejection} that is over */
  onReadmit?: (instanceId: string, readmission: Pick<Ejection, 'enforced'>) => void;
}

/** Makes the listener that reports ejections of a service's instances as `instance.ejected` and `instance.readmitted`. */
export function reportOutliers(events: EventSink, serviceName: string): Required<OutlierListener> {
  return {
    onEject: ({ instanceId, ...ejection }) =>
      events.emit('instance.ejected', { key: { serviceName, instanceId }, ...ejection }),
    onReadmit: (instanceId, readmission) =>
      events.emit('instance.readmitted', { key: { serviceName, instanceId }, ...readmission }),
  };
}
