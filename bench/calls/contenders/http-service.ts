import { HttpService } from '@nestjs/axios';
import { firstValueFrom } from 'rxjs';
import { type Contender, inTurn, originsOf } from './contender.js';

/** `HttpService` of `@nestjs/axios` with its defaults: axios's adapter and Node's agent with keep-alive. */
export const httpService: Contender = {
  async setup(target) {
    const http = new HttpService();
    const next = inTurn(originsOf(target));
    return {
      async call({ method, path, json }) {
        const { data } = await firstValueFrom(http.request<unknown>({ method, url: next() + path, data: json }));
        return data;
      },
      close: async () => undefined,
    };
  },
};
