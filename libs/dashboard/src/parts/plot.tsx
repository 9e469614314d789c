import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
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

const HOUR_AND_MINUTE = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});

/** A plot over time. Its legend has the values under the pointer, else the last ones. */
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
  const valueOf = ({ values }: Line): string => format(values[index] ?? (times.length > 0 ? 0 : null));
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
          {pointed !== null && time !== undefined && <span>at {HOUR_AND_MINUTE.format(time * 1_000)}</span>}
        </span>
      </figcaption>
      <div ref={element} role="img" aria-label={`${title}, over time`} />
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
    padding: [8, 8, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    legend: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      { ...axis, size: 26, space: 70, values: '{HH}:{mm}' },
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
