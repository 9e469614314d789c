import { util } from 'undici';
import { type ResponseBody, type ServiceResponse } from '../transport.js';

/** A response whose headers are parsed on first access, since most callers only want the body. */
export class ResponseHead implements ServiceResponse {
  private raw: Buffer[] | undefined;
  private read: ServiceResponse['headers'] | undefined = undefined;

  /** @param raw names and values alternating */
  constructor(
    readonly status: number,
    raw: Buffer[],
    readonly body: ResponseBody,
  ) {
    this.raw = raw;
  }

  get headers(): ServiceResponse['headers'] {
    if (this.raw) {
      this.read = util.parseHeaders(this.raw);
      this.raw = undefined;
    }
    return this.read!;
  }
}
