import { Inject, Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';

/** Less than that of the root module, which is 1: Nest calls the hooks of the end by rising distance. */
const BEFORE_ROOT = -1;

/**
 * Where the end of the app begins: what stands here is done before any other hook of the end is called.
 *
 * Nest calls `onModuleDestroy` of the app's own modules before those of a global one. There they close what their
 * handlers need, such as a database, while the app serves, and is called by everybody who has not heard that it ends.
 */
@Injectable()
export class ShutdownStart implements OnModuleDestroy {
  private begin: (() => Promise<void>) | undefined;
  private begun: Promise<void> | undefined;

  /** @param begin done once, however often the app is closed; never rejects */
  run(begin: () => Promise<void>): void {
    this.begin = begin;
  }

  onModuleDestroy(): Promise<void> {
    this.begun ??= this.begin?.() ?? Promise.resolve();
    return this.begun;
  }
}

/** Holds {@link ShutdownStart} apart, as Nest orders hooks by module. */
@Module({ providers: [ShutdownStart], exports: [ShutdownStart] })
export class ShutdownStartModule {
  /** Runs while the app is made; Nest settles the order of hooks with the first of them, after that. */
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    for (const module of modules.values()) if (module.metatype === ShutdownStartModule) module.distance = BEFORE_ROOT;
  }
}
