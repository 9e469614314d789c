import { Inject, Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';

/** Below the root module's distance, 1: Nest calls shutdown hooks in ascending order of distance. */
const BEFORE_ROOT = -1;

/**
 * Starts the shutdown, before any other shutdown hook runs.
 *
 * Nest calls `onModuleDestroy` of the app's own modules before that of global modules. Those hooks close resources of
 * handlers, such as a database, while the app still serves callers that do not know of its shutdown yet.
 */
@Injectable()
export class ShutdownStart implements OnModuleDestroy {
  private begin: (() => Promise<void>) | undefined;
  private begun: Promise<void> | undefined;

  /** @param begin runs once, however often the app is closed; never rejects */
  run(begin: () => Promise<void>): void {
    this.begin = begin;
  }

  onModuleDestroy(): Promise<void> {
    this.begun ??= this.begin?.() ?? Promise.resolve();
    return this.begun;
  }
}

/** A module of its own, since Nest orders hooks by module. */
@Module({ providers: [ShutdownStart], exports: [ShutdownStart] })
export class ShutdownStartModule {
  /** Runs while the app is created; Nest determines the order of hooks later, before the first of them. */
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    for (const module of modules.values()) if (module.metatype === ShutdownStartModule) module.distance = BEFORE_ROOT;
  }
}
