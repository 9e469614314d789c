import { words } from '../format.js';
import { setQuery } from '../router.js';

/** Filters of a list. What they are set to stands in the page's address. */
export function TextFilter({ label, placeholder, value = '' }: TextFilterProps) {
  return (
    <label class="field is-wide">
      <span>{label}</span>
      <input
        type="search"
        placeholder={placeholder}
        value={value}
        onInput={(event) => setQuery({ q: event.currentTarget.value })}
      />
    </label>
  );
}

interface TextFilterProps {
  readonly label: string;
  readonly placeholder: string;
  readonly value: string | undefined;
}

/** One of some values, or all. A value that is set stays on the list when it no longer occurs. */
export function Choice({ name, label = name, value = '', values, textOf = (item) => item }: ChoiceProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} onChange={(event) => setQuery({ [name]: event.currentTarget.value })}>
        <option value="">all</option>
        {(value === '' || values.includes(value) ? values : [value, ...values]).map((item) => (
          <option key={item} value={item}>
            {textOf(item)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** @param values the statuses that there may be */
export function StatusChoice({ value, values }: Pick<ChoiceProps, 'value' | 'values'>) {
  return (
    <Choice
      name="status"
      label="Status"
      value={value}
      values={['failing', ...values]}
      textOf={(status) => (status === 'failing' ? 'failing only' : words(status))}
    />
  );
}

interface ChoiceProps {
  readonly name: string;
  /** @default the name */
  readonly label?: string;
  readonly value: string | undefined;
  readonly values: readonly string[];
  /** How a value is shown. @default as it is */
  readonly textOf?: (value: string) => string;
}

/** Each value once, sorted. */
export function distinct(values: Iterable<string>): string[] {
  return [...new Set(values)].sort();
}
