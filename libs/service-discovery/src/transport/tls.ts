import {
  custom,
  isRecord,
  overlayTls,
  readTls,
  type TlsByService,
  type TlsMaterial,
  type TlsOptions,
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

/** The option that holds these settings, with files read. */
export const TRANSPORT_TLS = custom<TransportTlsOptions, TlsByService>({
  default: {},
  range: 'options of TLS',
  read: (given, path, check) => {
    const { services = {}, ...usual } = isRecord(given) ? given : {};
    const all = readTls(check, path, isRecord(given) ? usual : given);
    const own = new Map<string, TlsMaterial>();
    const expected = 'an object of options by the name of a service';
    if (!isRecord(services)) check.problem(`${path}.services`, services, expected);
    for (const [name, options] of isRecord(services) ? Object.entries(services) : []) {
      const place = `${path}.services.${name}`;
      if (!isServiceName(name)) check.problem(place, name, 'the name of a service');
      else if (options !== undefined) own.set(name, overlayTls(check, place, all, readTls(check, place, options)));
    }
    return { all, services: own };
  },
});
