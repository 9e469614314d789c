/** A request that was refused because of who sent it. */
export class AccessError extends Error {
  /**
   * @param code `UNAUTHORIZED`: the request shows no credential; `FORBIDDEN`: none that is valid, or the API is closed to it;
   *   `ACCESS_DENIED`: its caller is known, and may not do this
   */
  constructor(
    readonly code: 'UNAUTHORIZED' | 'FORBIDDEN' | 'ACCESS_DENIED',
    message: string,
    readonly details: {
      readonly service?: string;
      readonly instanceId?: string;
      /** The header `WWW-Authenticate`. */
      readonly challenge?: string;
    } = {},
  ) {
    super(message);
    this.name = 'AccessError';
  }
}
