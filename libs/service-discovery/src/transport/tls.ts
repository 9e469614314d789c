import {
  isRecord,
  type OptionValidator,
  readTls,
  type TlsByService,
  type TlsMaterial,
  type TlsOptions,
  type TlsSettings,
  toTlsSettings,
  USUAL_TLS,
} from '../common/index.js';
import { isServiceName } from '../model/index.js';

/** TLS settings for instances registered with the protocol `https`. */
export interface TransportTlsOptions extends TlsOptions {
  /**
   * Settings for single services, by name; they override those above.
   * @default none
   */
  services?: Readonly<Record<string, TlsOptions>>;
}

/** Reads the files, and reports all problems. */
export function readTransportTls(check: OptionValidator, path: string, given: unknown): TlsByService {
  if (given === undefined) return USUAL_TLS;
  const { services = {}, ...usual } = isRecord(given) ? given : {};
  const all = readTls(check, path, isRecord(given) ? usual : given);
  const own = new Map<string, TlsMaterial>();
  if (!isRecord(services)) check.problem(`${path}.services`, services, 'an object of options by the name of a service');
  for (const [name, options] of isRecord(services) ? Object.entries(services) : []) {
    const place = `${path}.services.${name}`;
    if (!isServiceName(name)) check.problem(place, name, 'the name of a service');
    else if (options !== undefined) own.set(name, { ...all, ...readTls(check, place, options) });
  }
  return { all, services: own };
}

/** The TLS settings for connections to each service. Returns the same object for each call. */
export class ServiceTls {
  private readonly all: TlsSettings;
  private readonly services: ReadonlyMap<string, TlsSettings>;

  constructor({ all, services }: TlsByService = USUAL_TLS) {
    this.all = toTlsSettings(all);
    this.services = new Map([...services].map(([name, tls]) => [name, toTlsSettings(tls)]));
  }

  of(serviceName: string): TlsSettings {
    return this.services.get(serviceName) ?? this.all;
  }

  /** Whether a service has settings of its own, and so does not share connections with others at the same origin. */
  isOwn(serviceName: string): boolean {
    return this.services.has(serviceName);
  }
}
