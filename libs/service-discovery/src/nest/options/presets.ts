import { InvalidConfigurationError } from '../../common/index.js';
import { PRESET_NAMES, type PresetName, type ServiceDiscoveryOptions } from './options.js';

/** What a preset changes; all else keeps its default. */
type Preset = Readonly<Omit<ServiceDiscoveryOptions, 'preset'>>;

/** What was killed and started anew disappears soon, faults show at once, and circuits do not stay open over a rebuild. */
const development: Preset = {
  serviceTtl: '30s',
  healthCheck: { interval: '5s', timeout: '2s' },
  circuitBreaker: { recoveryTimeout: '5s' },
  retry: { baseDelay: '100ms', maxDelay: '1s' },
};

/** Nothing runs by itself or waits for long; a test says what happens. */
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

/** Rolling deployments: callers get the time to hear of an instance's end, and a lost one is noticed within a minute. */
const production: Preset = {
  serviceTtl: '60s',
  healthCheck: { interval: '10s', timeout: '3s' },
  circuitBreaker: { recoveryTimeout: '30s' },
  retry: { baseDelay: '200ms', maxDelay: '10s' },
  timeout: '15s',
  attemptTimeout: '5s',
};

/** As in production, so that what is tried there holds here, with circuits that close sooner for whoever is testing. */
const staging: Preset = { ...production, circuitBreaker: { recoveryTimeout: '10s' } };

const PRESETS: Readonly<Record<PresetName, Preset>> = { development, testing, staging, production };

/**
 * The settings for a kind of environment, to be passed to `forRoot`, as they are or with changes:
 * `forRoot({ ...getServiceDiscoveryConfig('production'), serviceTtl: '2m' })`. A value that is the preset's own gives way
 * to the environment; a changed one does not.
 * @throws InvalidConfigurationError for a name that is no preset
 */
export function getServiceDiscoveryConfig(preset: PresetName): ServiceDiscoveryOptions {
  if (!isPreset(preset)) {
    throw new InvalidConfigurationError([
      { path: 'preset', value: preset, expected: `one of ${PRESET_NAMES.join(', ')}` },
    ]);
  }
  return { preset, ...structuredClone(PRESETS[preset]) };
}

export function isPreset(name: unknown): name is PresetName {
  return (PRESET_NAMES as readonly unknown[]).includes(name);
}
