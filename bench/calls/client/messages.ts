import { type ContenderName } from '../contenders/catalog.js';
import { type Target } from '../contenders/contender.js';
import { type Figures, type Load, type Times, type WarmUp } from './load.js';
import { type ProfiledFunction } from './profile.js';

/** Requests to a client process; each gets one answer. */
export type Question =
  | { readonly type: 'set-up'; readonly contender: ContenderName; readonly target: Target }
  | { readonly type: 'warm-up'; readonly load: Load; readonly least: WarmUp }
  | { readonly type: 'round'; readonly load: Load; readonly times: Times }
  | { readonly type: 'allocations'; readonly load: Load; readonly times: Times }
  | { readonly type: 'profile'; readonly load: Load; readonly windowMs: number };

export type Answer =
  | { readonly type: 'ready' }
  | { readonly type: 'figures'; readonly figures: Figures }
  | { readonly type: 'allocations'; readonly bytesPerCall: number }
  | { readonly type: 'profile'; readonly functions: readonly ProfiledFunction[] }
  /** Possible in place of any other. */
  | { readonly type: 'failed'; readonly message: string };
