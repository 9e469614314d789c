import { HttpService } from '@nestjs/axios';
import axios, { type AxiosPromise, type AxiosRequestConfig, type AxiosResponse } from 'axios';
import { Observable } from 'rxjs';

/**
 * `HttpService` with a different end of requests: the original cancels every request when its observable is torn down,
 * even after the response, and creates an error with a stack each time.
 */
export class DiscoveryHttpService extends HttpService {
  protected override makeObservable<T>(
    request: (...args: unknown[]) => AxiosPromise<T>,
    ...args: unknown[]
  ): Observable<AxiosResponse<T>> {
    return new Observable((subscriber) => {
      const given = args.at(-1) as AxiosRequestConfig | undefined;
      const source = given?.cancelToken ? undefined : axios.CancelToken.source();
      const config = { ...given, cancelToken: given?.cancelToken ?? source?.token };
      let isOver = false;
      request(...args.slice(0, -1), config)
        .then((response) => {
          isOver = true;
          subscriber.next(response);
          subscriber.complete();
        })
        .catch((error: unknown) => {
          isOver = true;
          subscriber.error(error);
        });
      return () => {
        // The caller still reads a streamed response.
        if (!isOver && config.responseType !== 'stream') source?.cancel();
      };
    });
  }
}
