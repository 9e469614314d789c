import { useEffect, useRef } from 'preact/hooks';
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

/** A plot over time, with the values under the pointer in its legend. */
export function Plot({ title, times, lines, format, height = 180 }: PlotProps) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const shape = JSON.stringify([lines.map(({ label, color }) => [label, color]), theme.value]);
  const data = [times, ...lines.map(({ values }) => values)] as uPlot.AlignedData;
  useEffect(() => {
    const parent = element.current;
    if (!parent) return undefined;
    const made = new uPlot(optionsOf(parent, { lines, format, height }), data, parent);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height }));
    observer.observe(parent);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data), [data]);
  const last = lines.map(({ label, values }) => `${label} ${format(values.at(-1) ?? null)}`).join(', ');
  return (
    <figure class="plot">
      <figcaption>{title}</figcaption>
      <div ref={element} role="img" aria-label={`${title}; at the end: ${last}`} />
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
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    legend: { live: true },
    scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      { ...axis, space: 70, values: '{HH}:{mm}' },
      { ...axis, size: 56, values: (_plot, splits) => splits.map((value) => format(value)) },
    ],
    series: [
      { label: 'Time', value: '{HH}:{mm}:{ss}' },
      ...lines.map((line) => ({
        label: line.label,
        stroke: color(line.color),
        width: 1.5,
        fill: line.isFilled ? `color-mix(in srgb, ${color(line.color)} 14%, transparent)` : undefined,
        points: { show: false },
        spanGaps: false,
        value: (_plot: uPlot, value: number | null) => format(value),
      })),
    ],
  };
}
