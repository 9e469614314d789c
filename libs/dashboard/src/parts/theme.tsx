import { effect, signal } from '@preact/signals';

type Choice = 'auto' | 'light' | 'dark';

const KEY = 'service-discovery:theme';
const NEXT: Readonly<Record<Choice, Choice>> = { auto: 'dark', dark: 'light', light: 'auto' };
const prefersDark = matchMedia('(prefers-color-scheme: dark)');

const choice = signal<Choice>(read());
const isDark = signal(prefersDark.matches);
prefersDark.addEventListener('change', ({ matches }) => {
  isDark.value = matches;
});

/** Which colours the page has now. */
export const theme = signal<'light' | 'dark'>('light');
effect(() => {
  theme.value = choice.value === 'auto' ? (isDark.value ? 'dark' : 'light') : choice.value;
  document.documentElement.dataset.theme = theme.value;
});

function read(): Choice {
  const kept = localStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : 'auto';
}

const ICONS: Readonly<Record<Choice, string>> = {
  auto: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 1.5v9a4.5 4.5 0 0 1 0-9Z',
  dark: 'M6 2.3A6 6 0 1 0 13.7 10 5 5 0 0 1 6 2.3Z',
  light:
    'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM7.3 1h1.4v2H7.3V1Zm0 12h1.4v2H7.3v-2ZM1 7.3h2v1.4H1V7.3Zm12 0h2v1.4h-2V7.3ZM3 4l1-1 1.4 1.4-1 1L3 4Zm7.6 7.6 1-1L13 12l-1 1-1.4-1.4ZM12 3l1 1-1.4 1.4-1-1L12 3ZM3 12l1.4-1.4 1 1L4 13l-1-1Z',
};

/** Goes through: as the system has it, dark, light. */
export function ThemeSwitch() {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={`Colours: ${choice.value}. Change`}
      title={`Colours: ${choice.value}`}
      onClick={() => {
        choice.value = NEXT[choice.value];
        localStorage.setItem(KEY, choice.value);
      }}
    >
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={ICONS[choice.value]} fill="currentColor" fill-rule="evenodd" />
      </svg>
    </button>
  );
}
