import { type ServiceInstance } from '../../model/index.js';
import { type ServiceResponse } from '../../transport/index.js';
import { type ServiceCallResponse } from '../request.js';

/** A response and the instance that gave it. Its headers are read lazily: copy it by field, don't spread it. */
export class CallResponse implements ServiceCallResponse {
  readonly status: number;
  readonly body: ServiceResponse['body'];

  constructor(
    private readonly response: ServiceResponse,
    readonly instance: ServiceInstance,
    readonly attempts: number,
  ) {
    this.status = response.status;
    this.body = response.body;
  }

  get headers(): ServiceResponse['headers'] {
    return this.response.headers;
  }
}
