import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/**
 * Sends the API's responses without the changes of the app's interceptors: an interceptor that wraps every body
 * (`{ data: … }`) is common, and would break the API's clients. Interceptors still see what is sent.
 */
@Injectable()
export class Reply {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  /** @param response the platform's own response object */
  json<T extends object>(
    response: unknown,
    status: number,
    body: T,
    headers: Readonly<Record<string, string>> = {},
  ): T {
    this.setHeaders(response, headers);
    this.host.httpAdapter.reply(response, body, status);
    return body;
  }

  text(response: unknown, contentType: string, body: string): string {
    this.host.httpAdapter.setHeader(response, 'content-type', contentType);
    this.host.httpAdapter.reply(response, body, 200);
    return body;
  }

  empty(response: unknown, headers: Readonly<Record<string, string>>): void {
    this.setHeaders(response, headers);
    this.host.httpAdapter.reply(response, undefined, 204);
  }

  private setHeaders(response: unknown, headers: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(headers)) this.host.httpAdapter.setHeader(response, name, value);
  }
}
