// Calls by day: bars for those who see them, a sentence and a table for everybody.
import { useId } from "react";
import { fill } from "../../../react/src/text.js";
import { everyDay } from "../../../react/src/ui/admin/Chart.js";
import { useLanguage } from "../language.js";
import type { DayCalls } from "../types.js";

const WIDTH = 720;
const HEIGHT = 140;

const total = (day: DayCalls) => day.allowed + day.refused;

/** The last days, today among them, in UTC. */
export function lastDays(count: number, now: number): { from: string; to: string } {
  const day = (ago: number) => new Date(now - ago * 86_400_000).toISOString().slice(0, 10);
  return { from: day(count - 1), to: day(0) };
}

/** The next number that a person would draw a line at: 1, 2 or 5 with noughts. */
export function roundAbove(number: number): number {
  if (number <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].map((it) => it * power).find((it) => it >= number) ?? 10 * power;
}

export function Chart({ series, from, to }: { series: DayCalls[]; from: string; to: string }) {
  const { strings, number, day } = useLanguage();
  const words = strings.chart;
  const id = useId();
  const days = everyDay(series, from, to);
  const top = roundAbove(Math.max(...days.map(total)));
  const busiest = days.reduce((most, it) => (total(it) > total(most) ? it : most));
  const sum = (of: "allowed" | "refused") => number(days.reduce((all, it) => all + it[of], 0));
  const summary =
    total(busiest) === 0
      ? words.empty
      : fill(words.summary, {
          allowed: sum("allowed"),
          refused: sum("refused"),
          day: day(busiest.day),
          most: number(total(busiest)),
        });
  const width = WIDTH / days.length;
  const height = (calls: number) => (calls / top) * HEIGHT;
  return (
    <figure className="chart">
      <div className="chart-plot">
        <span className="chart-top" aria-hidden="true">
          {number(top)}
        </span>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={words.title}
          aria-describedby={id}
        >
          <path className="chart-grid" d={`M0 .5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}`} />
          {days.map((it, index) => (
            <g key={it.day}>
              <title>
                {fill(words.ofDay, {
                  day: day(it.day),
                  allowed: number(it.allowed),
                  refused: number(it.refused),
                })}
              </title>
              <rect className="chart-hit" x={index * width} width={width} y={0} height={HEIGHT} />
              <rect
                className="bar"
                x={index * width + width * 0.15}
                width={width * 0.7}
                y={HEIGHT - height(it.allowed)}
                height={height(it.allowed)}
              />
              <rect
                className="bar refused"
                x={index * width + width * 0.15}
                width={width * 0.7}
                y={HEIGHT - height(total(it))}
                height={height(it.refused)}
              />
            </g>
          ))}
        </svg>
        <div className="chart-days" aria-hidden="true">
          <span>{day(from)}</span>
          <span>{day(to)}</span>
        </div>
      </div>
      <div className="legend" aria-hidden="true">
        <span data-kind="allowed">{words.allowed}</span>
        <span data-kind="refused">{words.refused}</span>
      </div>
      <figcaption id={id} className="hint">
        {summary}
      </figcaption>
      <details className="details">
        <summary>{words.asTable}</summary>
        <div className="table-frame short">
          <table className="table plain" aria-label={words.title}>
            <thead>
              <tr>
                <th scope="col">{words.day}</th>
                <th scope="col">{words.allowed}</th>
                <th scope="col">{words.refused}</th>
              </tr>
            </thead>
            <tbody>
              {[...days].reverse().map((it) => (
                <tr key={it.day}>
                  <th scope="row">{day(it.day)}</th>
                  <td>{number(it.allowed)}</td>
                  <td>{number(it.refused)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

/** Large numbers with their names. */
export function Figures({ of }: { of: [name: string, value: string][] }) {
  return (
    <dl className="figures">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
