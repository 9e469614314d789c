import { type ServiceInstance } from '../../model/index.js';
import { type ServiceResponse } from '../../transport/index.js';
import { type ServiceCallResponse } from '../request.js';

/** A response, with who gave it, for the use that a call makes of it. Its headers are not asked for before somebody does. */
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
