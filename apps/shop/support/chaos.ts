import { setTimeout as delay } from 'node:timers/promises';
import {
  Body,
  type CallHandler,
  Controller,
  Get,
  HttpCode,
  Injectable,
  Module,
  type NestInterceptor,
  Post,
  ServiceUnavailableException,
} from '@nestjs/common';
import { type Observable } from 'rxjs';
import { INSTANCE } from './instance.js';

/** How this instance misbehaves. */
interface ChaosState {
  /** Every call is answered with 503, while `/health` still passes. */
  failing: boolean;
  /** Every call takes at least this many milliseconds. */
  delayMs: number;
  /** How many calls were answered with 503. */
  failed: number;
}

@Injectable()
class Chaos {
  readonly state: ChaosState = { failing: false, delayMs: 0, failed: 0 };
}

/** DEMO ONLY, do not copy: makes an instance fail or slow down on demand. */
@Controller('chaos')
class ChaosController {
  constructor(private readonly chaos: Chaos) {}

  @Get()
  show(): ChaosState {
    return this.chaos.state;
  }

  @Post()
  @HttpCode(200)
  set(@Body() { failing, delayMs }: Partial<Omit<ChaosState, 'failed'>>): ChaosState {
    if (failing !== undefined) this.chaos.state.failing = failing;
    if (delayMs !== undefined) this.chaos.state.delayMs = delayMs;
    return this.chaos.state;
  }
}

/** DEMO ONLY: applies the settings of {@link ChaosController} to controllers that use it. */
@Injectable()
export class ChaosInterceptor implements NestInterceptor {
  constructor(private readonly chaos: Chaos) {}

  async intercept(_context: unknown, next: CallHandler): Promise<Observable<unknown>> {
    const { failing, delayMs } = this.chaos.state;
    if (delayMs > 0) await delay(delayMs);
    if (!failing) return next.handle();
    this.chaos.state.failed++;
    throw new ServiceUnavailableException(`${INSTANCE} was told to fail`);
  }
}

/** DEMO ONLY. */
@Module({ controllers: [ChaosController], providers: [Chaos], exports: [Chaos] })
export class ChaosModule {}
