import axios, { AxiosError, type AxiosAdapter, type InternalAxiosRequestConfig } from 'axios';
import axiosRetry, { exponentialDelay } from 'axios-retry';
import { MockedTime } from '../support/mocked-time.js';
import { type RetryParts } from './retry-part.js';

const SLOW_MS = 60_000;

/** Calls a function instead of sending: its failure becomes a 503. */
function adapterOf(fnOf: (config: InternalAxiosRequestConfig) => () => Promise<string>): AxiosAdapter {
  return async (config) => {
    const answer = { statusText: '', headers: {}, config };
    try {
      return { ...answer, status: 200, data: await fnOf(config)() };
    } catch (error) {
      const response = { ...answer, status: 503, data: '' };
      throw new AxiosError((error as Error).message, 'ERR_BAD_RESPONSE', config, null, response);
    }
  };
}

export const axiosRetryRetry: RetryParts = {
  retry: async ({ attempts }, pace) => {
    const time = new MockedTime();
    const delayMs = pace === 'slow' ? SLOW_MS : 0;
    const fns = new Map<string, () => Promise<string>>();
    const client = axios.create({ adapter: adapterOf(({ url }) => fns.get(url ?? '')!) });
    axiosRetry(client, { retries: attempts - 1, retryDelay: () => delayMs });
    return {
      delayMs,
      async call(fn, signal) {
        const url = `/${fns.size}`;
        fns.set(url, fn);
        return client.get(url, { signal });
      },
      advance: (ms) => time.advance(ms),
      close: async () => time.release(),
    };
  },
  http: async (origin) => {
    const client = axios.create({ baseURL: origin, validateStatus: (status) => status < 500 });
    axiosRetry(client, { retries: 2, retryDelay: exponentialDelay });
    return {
      async send({ method, path, body }) {
        const response = await client.request({ method, url: path, data: body });
        return response.status;
      },
      close: async () => undefined,
    };
  },
};
