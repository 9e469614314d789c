import { InvalidConfigurationError } from '../../common/index.js';
import { isPreset, PRESET_NAMES, type PresetName, type ServiceDiscoveryOptions } from './options.js';

/** Changes of a preset; everything else keeps its default. */
type Preset = Readonly<Omit<ServiceDiscoveryOptions, 'preset'>>;

/**
 * Killed and restarted instances disappear soon, failures show at once, and circuits do not stay open across a rebuild.
 */
const development: Preset = {
  serviceTtl: '30s',
  healthCheck: { interval: '5s', timeout: '2s' },
  circuitBreaker: { recoveryTimeout: '5s' },
  retry: { baseDelay: '100ms', maxDelay: '1s' },
};

/** Nothing runs in the background or waits for long; the test decides what happens. */
const testing: Preset = {
  serviceTtl: '30s',
  startTimeout: 0,
  healthCheck: false,
  circuitBreaker: { recoveryTimeout: '1s' },
  retry: { baseDelay: '1ms', maxDelay: '10ms' },
  timeout: '5s',
  attemptTimeout: '2s',
  waitForFirst: false,
  shutdown: { drainDelay: 0, timeout: '500ms' },
  logging: false,
};

/** Rolling deployments: callers have time to notice a shutdown, and a lost instance is noticed within a minute. */
const production: Preset = {
  serviceTtl: '60s',
  healthCheck: { interval: '10s', timeout: '3s' },
  circuitBreaker: { recoveryTimeout: '30s' },
  retry: { baseDelay: '200ms', maxDelay: '10s' },
  timeout: '15s',
  attemptTimeout: '5s',
};

/** Like production, so that results carry over, with circuits that close sooner for testers. */
const staging: Preset = { ...production, circuitBreaker: { recoveryTimeout: '10s' } };

const PRESETS: Readonly<Record<PresetName, Preset>> = { development, testing, staging, production };

/**
 * The settings for a kind of environment, for `forRoot`, optionally with changes: `forRoot({
 * ...getServiceDiscoveryConfig('production'), serviceTtl: '2m' })`. The environment overrides a preset's value, but not
 * a changed one.
 * @throws InvalidConfigurationError for an unknown name
 */
export function getServiceDiscoveryConfig(preset: PresetName): ServiceDiscoveryOptions {
  if (!isPreset(preset)) {
    throw new InvalidConfigurationError([
      { path: 'preset', value: preset, expected: `one of ${PRESET_NAMES.join(', ')}` },
    ]);
  }
  return { preset, ...structuredClone(PRESETS[preset]) };
}
