import { ROLLOUT_OPTIONS } from '../../../registry/index.js';
import { type Duration, OptionValidator } from '../../../common/index.js';
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

/** The constraint of an option of a rollout: what the registry itself checks, in its words. */
function RolloutRule(name: keyof typeof ROLLOUT_OPTIONS.options): PropertyDecorator {
  const problem = (value: unknown): string | undefined => {
    const check = new OptionValidator();
    ROLLOUT_OPTIONS.options[name].read(value, name, check);
    return check.problems[0]?.expected;
  };
  return Rule(
    (value) => problem(value) ?? '',
    (value) => problem(value) === undefined,
    { optional: name !== 'version' },
  );
}

/** The body of `PUT .../rollout`; what each field means stands at `RolloutOptions`. */
export class RolloutDto extends NoteDto {
  @RolloutRule('version')
  version!: string;

  @RolloutRule('steps')
  steps?: readonly number[];

  @RolloutRule('stepDuration')
  step_duration?: Duration;

  @RolloutRule('maxErrorRate')
  max_error_rate?: number;

  @RolloutRule('maxP99')
  max_p99?: Duration;

  @RolloutRule('minAttempts')
  min_attempts?: number;
}
