import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { clockTime } from '../format.js';
import { theme } from './theme.js';

interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
  /** Name of a custom property of CSS. */
  readonly color: string;
  readonly isFilled?: boolean;
}

interface PlotProps {
  readonly title: string;
  /** Seconds since the epoch. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number | null) => string;
  readonly height?: number;
}

const textAt = (time: number | undefined): string => (time === undefined ? 'no time' : clockTime(time * 1_000));

/** Where a key leads to from a place of a plot, as in any slider; undefined: nowhere. */
function placeAfter(key: string, place: number, last: number): number | undefined {
  const places: Readonly<Record<string, number>> = {
    ArrowLeft: place - 1,
    ArrowRight: place + 1,
    PageUp: place - 10,
    PageDown: place + 10,
    Home: 0,
    End: last,
  };
  const to = places[key];
  return to === undefined ? undefined : Math.max(0, Math.min(last, to));
}

/** A plot over time. Its legend has the values under the pointer, or where arrow keys lead, else the last ones. */
export function Plot({ title, times, lines, format, height = 170 }: PlotProps) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [pointed, setPointed] = useState<number | null>(null);
  const shape = JSON.stringify([lines.map(({ label, color }) => [label, color]), theme.value]);
  const data = [times, ...lines.map(({ values }) => values)] as uPlot.AlignedData;
  useEffect(() => {
    const parent = element.current;
    if (!parent) return undefined;
    const options = optionsOf(parent, { lines, format, height });
    const made = new uPlot(
      { ...options, hooks: { setCursor: [({ cursor }) => setPointed(cursor.idx ?? null)] } },
      data,
      parent,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height }));
    observer.observe(parent);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data), [times, lines]);
  const index = pointed ?? times.length - 1;
  const time = times[index];
  const valueOf = ({ values }: Line): string => format(values[index] ?? null);
  const point = (to: number): void =>
    plot.current?.setCursor({ left: plot.current.valToPos(times[to] ?? 0, 'x'), top: 0 });
  return (
    <figure class="plot">
      <figcaption>
        <span class="strong">{title}</span>
        <span class="plot-legend">
          {lines.map((line) => (
            <span class="with-icon" key={line.label}>
              <span class="swatch" style={{ background: `var(${line.color})` }} />
              {line.label} {valueOf(line)}
            </span>
          ))}
          {pointed !== null && <span>at {textAt(time)}</span>}
        </span>
      </figcaption>
      <div
        ref={element}
        class={lines.every(({ values }) => values.every((value) => value === null)) ? 'is-empty' : undefined}
        role="slider"
        tabIndex={0}
        aria-label={`${title}, over time`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, times.length - 1)}
        aria-valuenow={index}
        aria-valuetext={`${textAt(time)}: ${lines.map((line) => `${line.label} ${valueOf(line)}`).join(', ')}`}
        onKeyDown={(event) => {
          const to = placeAfter(event.key, index, times.length - 1);
          if (to === undefined) return;
          event.preventDefault();
          point(to);
        }}
        onBlur={() => plot.current?.setCursor({ left: -1, top: -1 })}
      />
    </figure>
  );
}

function optionsOf(
  parent: HTMLElement,
  { lines, format, height }: Pick<PlotProps, 'lines' | 'format'> & { height: number },
): uPlot.Options {
  const style = getComputedStyle(parent);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color('--text-muted'),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: parent.clientWidth,
    height,
    padding: [8, 18, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    legend: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      { ...axis, size: 26, space: 42, values: '{HH}:{mm}' },
      { ...axis, size: 58, space: 36, values: (_plot, splits) => splits.map((value) => format(value)) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: color(line.color),
        width: 1.5,
        fill: line.isFilled ? `color-mix(in srgb, ${color(line.color)} 14%, transparent)` : undefined,
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}
