import { type Type } from '@nestjs/common';
import { OptionValidator } from '../../common/index.js';
import { API_OPTION_GROUP, type ApiOptions } from '../rest/index.js';
import { DECORATORS, type RouteDecorators } from '../route-decorators.js';
import { healthControllersAt } from './health-controllers.js';

/**
 * What answers `GET /health`, `/health/live` and `/health/ready`; none where the API, or this part of it, is switched off.
 * @param decorators `health.decorators` @default those of the API
 * @throws InvalidConfigurationError naming every wrong option
 */
export function healthControllers(api: Partial<ApiOptions> | false = {}, decorators?: RouteDecorators): Type[] {
  if (api === false) return [];
  const check = new OptionValidator('health');
  if (decorators !== undefined) DECORATORS.read(decorators, 'decorators', check);
  check.throwIfAny();
  const { healthPath, decorators: usual, swagger } = API_OPTION_GROUP.resolve(api);
  return healthPath === false ? [] : healthControllersAt(healthPath, { decorators: decorators ?? usual, swagger });
}
