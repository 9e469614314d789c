import { type ServiceInstance } from '../../model/index.js';
import { type ServiceResponse } from '../../transport/index.js';
import { type ServiceCallResponse } from '../request.js';

/** A response and the instance that gave it. */
export class CallResponse implements ServiceCallResponse {
  readonly status: number;
  readonly headers: ServiceResponse['headers'];
  readonly body: ServiceResponse['body'];

  constructor(
    { status, headers, body }: ServiceResponse,
    readonly instance: ServiceInstance,
    readonly attempts: number,
  ) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}
