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

  it('adds one listener to a signal that many requests share, which is no leak to warn of', () => {
    const controller = new AbortController();
    const config = configOf({ signal: controller.signal });
    const many = Array.from({ length: 12 }, () => new RequestCancellation(config));
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    many[0]!.dispose();
    controller.abort();
    expect(many.map(({ aborted }) => aborted)).toEqual([false, ...Array<boolean>(11).fill(true)]);
  });

  it('listens to a signal that is none of the platform', () => {
    const listeners = new Set<() => void>();
    const signal = {
      aborted: false,
      addEventListener: (_: string, listener: () => void) => listeners.add(listener),
      removeEventListener: (_: string, listener: () => void) => listeners.delete(listener),
    };
    const [kept, disposed] = [
      new RequestCancellation(configOf({ signal })),
      new RequestCancellation(configOf({ signal })),
    ];
    disposed.dispose();
    for (const listener of listeners) listener();
    expect([kept.aborted, disposed.aborted]).toEqual([true, false]);
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
