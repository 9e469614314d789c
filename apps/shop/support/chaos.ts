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
  /** No call is answered until this ends. */
  holding: boolean;
  /** How many calls were answered with 503. */
  failed: number;
  /** How many calls are held now. */
  held: number;
}

type ChaosSettings = Partial<Pick<ChaosState, 'failing' | 'holding'>>;

@Injectable()
class Chaos {
  readonly state: ChaosState = { failing: false, holding: false, failed: 0, held: 0 };
  private readonly waiting: (() => void)[] = [];

  set({ failing, holding }: ChaosSettings): void {
    if (failing !== undefined) this.state.failing = failing;
    if (holding !== undefined) this.state.holding = holding;
    if (holding === false) for (const release of this.waiting.splice(0)) release();
  }

  async hold(): Promise<void> {
    this.state.held++;
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.state.held--;
  }
}

/** DEMO ONLY, do not copy: makes an instance fail, or hold its calls, on demand. */
@Controller('chaos')
class ChaosController {
  constructor(private readonly chaos: Chaos) {}

  @Get()
  show(): ChaosState {
    return this.chaos.state;
  }

  @Post()
  @HttpCode(200)
  set(@Body() settings: ChaosSettings): ChaosState {
    this.chaos.set(settings);
    return this.chaos.state;
  }
}

/** DEMO ONLY: applies the settings of {@link ChaosController} to controllers that use it. */
@Injectable()
export class ChaosInterceptor implements NestInterceptor {
  constructor(private readonly chaos: Chaos) {}

  async intercept(_context: unknown, next: CallHandler): Promise<Observable<unknown>> {
    if (this.chaos.state.holding) await this.chaos.hold();
    if (!this.chaos.state.failing) return next.handle();
    this.chaos.state.failed++;
    throw new ServiceUnavailableException(`${INSTANCE} was told to fail`);
  }
}

/** DEMO ONLY. */
@Module({ controllers: [ChaosController], providers: [Chaos], exports: [Chaos] })
export class ChaosModule {}
