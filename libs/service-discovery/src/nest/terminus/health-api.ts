import { type Type } from '@nestjs/common';
import { type ApiOptions, resolveApiOptions } from '../rest/index.js';
import { healthControllersAt } from './health-controllers.js';

/**
 * What answers `GET /health`, `/health/live` and `/health/ready`; none where the API, or this part of it, is switched off.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function healthControllers(api: Partial<ApiOptions> | false = {}): Type[] {
  if (api === false) return [];
  const { healthPath } = resolveApiOptions(api);
  return healthPath === false ? [] : healthControllersAt(healthPath);
}
