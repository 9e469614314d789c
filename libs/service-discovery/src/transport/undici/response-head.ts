import { util } from 'undici';
import { type ResponseBody, type ServiceResponse } from '../transport.js';

/** A response as it arrives. Its headers are read for whoever asks for them, as most callers want the body alone. */
export class ResponseHead implements ServiceResponse {
  private raw: Buffer[] | undefined;
  private read: ServiceResponse['headers'] | undefined = undefined;

  /** @param raw names and values by turns */
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
