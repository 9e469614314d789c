import { type ApiRight } from '../../../model/index.js';
import { type AccessRights } from './access-rules.js';
import { matches } from './pattern.js';

const EVERYWHERE = '*';

/** What a caller may do, and in which services. */
export class Rights {
  static readonly all = new Rights([{ may: ['read', 'register', 'operate'] }]);
  static readonly none = new Rights([]);

  constructor(private readonly rules: readonly AccessRights[]) {}

  get areNone(): boolean {
    return this.rules.length === 0;
  }

  /** In a service of this name. */
  may(right: ApiRight, serviceName: string): boolean {
    return this.some(
      right,
      (services) => services.includes(EVERYWHERE) || services.some((pattern) => matches(pattern, serviceName)),
    );
  }

  /** In one service at least. */
  mayAnywhere(right: ApiRight): boolean {
    return this.some(right, (services) => services.length > 0);
  }

  /** In all services. */
  mayEverywhere(right: ApiRight): boolean {
    return this.some(right, (services) => services.includes(EVERYWHERE));
  }

  /** These rights, and that of reading all services. */
  withReading(): Rights {
    return new Rights([...this.rules, { may: ['read'] }]);
  }

  private some(right: ApiRight, covers: (services: readonly string[]) => boolean): boolean {
    return this.rules.some(({ may, services = [EVERYWHERE] }) => may.includes(right) && covers(services));
  }
}
