import { describe, expect, it } from '@jest/globals';
import axios, { type AxiosAdapter, type InternalAxiosRequestConfig, isCancel } from 'axios';
import { firstValueFrom } from 'rxjs';
import { DiscoveryHttpService } from './discovery-http-service.js';

/** A service whose requests wait, and what was asked of it. */
function waiting(): {
  http: DiscoveryHttpService;
  asked: InternalAxiosRequestConfig[];
  answer: (status: number) => void;
} {
  const asked: InternalAxiosRequestConfig[] = [];
  const answers: ((status: number) => void)[] = [];
  const adapter: AxiosAdapter = (config) => {
    asked.push(config);
    return new Promise((resolve, reject) => {
      answers.push((status) =>
        status < 400 ? resolve({ status, statusText: '', headers: {}, config, data: 1 }) : reject(new Error('refused')),
      );
    });
  };
  return {
    http: new DiscoveryHttpService(axios.create({ adapter })),
    asked,
    answer: (status) => answers.shift()?.(status),
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const reasonOf = (config: InternalAxiosRequestConfig | undefined) => config?.cancelToken?.reason;

describe('DiscoveryHttpService', () => {
  it('cancels a request without a subscriber', async () => {
    const { http, asked } = waiting();
    const subscription = http.post('/', { a: 1 }).subscribe();
    await turn();
    subscription.unsubscribe();
    expect(isCancel(reasonOf(asked[0]))).toBe(true);
  });

  it('makes no cancellation of one that was answered, or refused', async () => {
    const { http, asked, answer } = waiting();
    const answered = firstValueFrom(http.get('/'));
    const refused = firstValueFrom(http.request({ url: '/' }));
    await turn();
    answer(200);
    expect((await answered).data).toBe(1);
    answer(503);
    await expect(refused).rejects.toThrow('refused');
    expect(asked.map(reasonOf)).toEqual([undefined, undefined]);
  });

  it("does not cancel a stream or the caller's own token", async () => {
    const { http, asked } = waiting();
    const { token } = axios.CancelToken.source();
    const subscriptions = [
      http.get('/', { responseType: 'stream' }).subscribe(),
      http.get('/', { cancelToken: token }).subscribe(),
    ];
    await turn();
    for (const subscription of subscriptions) subscription.unsubscribe();
    expect([asked[1]?.cancelToken, ...asked.map(reasonOf)]).toEqual([token, undefined, undefined]);
  });
});
