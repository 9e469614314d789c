import { type Type } from '@nestjs/common';
import { InvalidConfigurationError } from '../../common/index.js';
import { type ApiOptions, resolveApiOptions } from '../rest/index.js';
import { findDecoratorProblems, type RouteDecorators } from '../route-decorators.js';
import { healthControllersAt } from './health-controllers.js';

/**
 * What answers `GET /health`, `/health/live` and `/health/ready`; none where the API, or this part of it, is switched off.
 * @param decorators `health.decorators` @default those of the API
 * @throws InvalidConfigurationError naming every wrong option
 */
export function healthControllers(api: Partial<ApiOptions> | false = {}, decorators?: RouteDecorators): Type[] {
  if (api === false) return [];
  const problems = findDecoratorProblems(decorators, 'health.decorators');
  if (problems.length > 0) throw new InvalidConfigurationError(problems);
  const { healthPath, decorators: usual, swagger } = resolveApiOptions(api);
  return healthPath === false ? [] : healthControllersAt(healthPath, { decorators: decorators ?? usual, swagger });
}
