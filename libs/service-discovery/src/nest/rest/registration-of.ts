import { isRecord } from '../../common/index.js';
import { type ServiceRegistration } from '../../model/index.js';
import { RegisterServiceDto, toRegistration } from './dto/register-service.dto.js';
import { readDto } from './dto-pipe.js';
import { REGISTRATION_BYTES } from './params.js';
import { readBody } from './request-body.js';

/**
 * For a guard of the app (`api.guard`, `@UseGuards()`): the registration in a request of `POST /register`, before it takes
 * effect. The body is read at this call, 256 KiB at most, so a guard that refuses a request before that lets it cost nothing.
 * @param request as `context.switchToHttp().getRequest()` returns it
 * @returns undefined where the request brings no valid registration; if the guard lets it in, it is answered with the problems
 */
export async function registrationOf(
  request: Parameters<typeof readBody>[0] & { readonly method: string; readonly url: string },
): Promise<ServiceRegistration | undefined> {
  const [path = ''] = request.url.split('?', 1);
  if (request.method !== 'POST' || !/\/register\/?$/i.test(path)) return undefined;
  const reading = await readBody(request, REGISTRATION_BYTES);
  if (reading.kind !== 'json' || !isRecord(reading.value)) return undefined;
  const { value, problems } = await readDto(RegisterServiceDto, reading.value);
  return problems.length > 0 ? undefined : toRegistration(value);
}
