import { ROLLOUT_OPTIONS } from '../../../registry/index.js';
import { type Duration, InvalidConfigurationError } from '../../../common/index.js';
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

/** Why an operator acts, and who it is. */
export class NoteDto {
  @ReasonRule()
  reason?: string;

  @ByRule()
  by?: string;
}

/** The body of `PUT .../share`: the share of the calls that goes through the gateway. */
export class ShareDto extends NoteDto {
  @Rule('a number from 0 to 100: per cent of the calls', isShare, { optional: false })
  share!: number;
}

/** The constraint of an option of a rollout: that of the registry itself. */
function RolloutRule(name: keyof typeof ROLLOUT_OPTIONS.options, expected: string): PropertyDecorator {
  const check = (value: unknown): boolean => {
    try {
      ROLLOUT_OPTIONS.resolve({ version: '1.x', [name]: value });
      return true;
    } catch (error) {
      if (error instanceof InvalidConfigurationError) return false;
      throw error;
    }
  };
  return Rule(expected, check, { optional: name !== 'version' });
}

/** The body of `PUT .../rollout`; what each field means stands at `RolloutOptions`. */
export class RolloutDto extends NoteDto {
  @RolloutRule('version', 'a semver range, such as "2.x"')
  version!: string;

  @RolloutRule('steps', 'growing shares in per cent, of which the last is 100: [5, 25, 100]')
  steps?: readonly number[];

  @RolloutRule('stepDuration', 'a duration from 1 s to 7 days, such as "5m"')
  step_duration?: Duration;

  @RolloutRule('maxErrorRate', 'a number from 0 to 1')
  max_error_rate?: number;

  @RolloutRule('maxP99', 'a duration from 1 ms to 10 min, such as "500ms"')
  max_p99?: Duration;

  @RolloutRule('minAttempts', 'a whole number from 1 to 1000000')
  min_attempts?: number;
}
