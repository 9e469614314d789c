import { isServiceSplit, isShare, type ServiceSplit } from '../../../model/index.js';
import { ByRule, ReasonRule, Rule } from './rule.js';

const SPLIT = 'a split of calls: { "via": { "url": "http://kong:8000/users", "share": 20 } }';

/** The body of `PUT .../split`: a split as another process made it. */
export class SplitDto {
  @Rule(SPLIT, isServiceSplit, { optional: false })
  split!: ServiceSplit;

  @Rule(SPLIT, isServiceSplit)
  replaces?: ServiceSplit;
}

/** The body of `PUT .../share`: the share of the calls that goes through the gateway. */
export class ShareDto {
  @Rule('a number from 0 to 100: per cent of the calls', isShare, { optional: false })
  share!: number;

  @ReasonRule()
  reason?: string;

  @ByRule()
  by?: string;
}
