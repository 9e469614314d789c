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
export class Departure implements OnModuleDestroy {
  private leave: (() => Promise<void>) | undefined;
  private leaving: Promise<void> | undefined;

  /** @param leave done once, however often the app is closed; never rejects */
  beginsWith(leave: () => Promise<void>): void {
    this.leave = leave;
  }

  onModuleDestroy(): Promise<void> {
    this.leaving ??= this.leave?.() ?? Promise.resolve();
    return this.leaving;
  }
}

/** Holds {@link Departure} apart, as Nest orders hooks by module. */
@Module({ providers: [Departure], exports: [Departure] })
export class DepartureModule {
  /** Runs while the app is made; Nest settles the order of hooks with the first of them, after that. */
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    for (const module of modules.values()) if (module.metatype === DepartureModule) module.distance = BEFORE_ROOT;
  }
}
