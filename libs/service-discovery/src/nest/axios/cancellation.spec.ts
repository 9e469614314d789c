import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import axios, { type InternalAxiosRequestConfig } from 'axios';
import { RequestCancellation } from './cancellation.js';

const configOf = (config: object): InternalAxiosRequestConfig => config as InternalAxiosRequestConfig;

describe('RequestCancellation', () => {
  it('is aborted by the signal, by the token, or from the start', () => {
    const controller = new AbortController();
    const source = axios.CancelToken.source();
    const [bySignal, byToken] = [
      new RequestCancellation(configOf({ signal: controller.signal })),
      new RequestCancellation(configOf({ cancelToken: source.token })),
    ];
    expect([bySignal.aborted, byToken.aborted]).toEqual([false, false]);
    controller.abort();
    expect([bySignal.aborted, byToken.aborted]).toEqual([true, false]);
    expect(new RequestCancellation(configOf({ signal: controller.signal })).reason).toHaveProperty(
      'name',
      'AbortError',
    );
    source.cancel();
    expect(new RequestCancellation(configOf({ cancelToken: source.token })).aborted).toBe(true);
  });

  it('leaves nothing at either', () => {
    const controller = new AbortController();
    const source = axios.CancelToken.source();
    const config = configOf({ signal: controller.signal, cancelToken: source.token });
    const cancellation = new RequestCancellation(config);
    cancellation.dispose();
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect((source.token as unknown as { _listeners: unknown[] })._listeners).toHaveLength(0);
  });
});
