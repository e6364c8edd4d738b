import { useId } from "react";
import { fill, useLanguage } from "../../text.js";
import type { Usage } from "../../types.js";
import { Subheading } from "../Frame.js";

const WIDTH = 600;
const HEIGHT = 120;

interface Day {
  day: string;
  allowed: number;
  refused: number;
}

/** Calls by day: bars for those who see them, a sentence and a table for everybody. */
export function Chart({ usage, from, to }: { usage: Usage; from: string; to: string }) {
  const { strings, number, day } = useLanguage();
  const words = strings.admin;
  const id = useId();
  const days = everyDay(usage.series, from, to);
  const highest = Math.max(1, ...days.map(total));
  const busiest = days.reduce((most, it) => (total(it) > total(most) ? it : most));
  const sum = (of: "allowed" | "refused") => number(days.reduce((all, it) => all + it[of], 0));
  const summary =
    total(busiest) === 0
      ? words.chartEmpty
      : fill(words.chartSummary, {
          allowed: sum("allowed"),
          refused: sum("refused"),
          day: day(busiest.day),
          most: number(total(busiest)),
        });
  const step = WIDTH / days.length;
  const height = (calls: number) => (calls / highest) * HEIGHT;
  return (
    <div className="aa-card">
      <Subheading>{words.chart}</Subheading>
      <svg
        className="aa-chart"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-labelledby={`${id}-title`}
        aria-describedby={id}
      >
        <title id={`${id}-title`}>{words.chart}</title>
        {days.map((it, index) => (
          <g key={it.day}>
            <rect
              className="aa-bar"
              x={index * step + 1}
              width={step - 2}
              y={HEIGHT - height(it.allowed)}
              height={height(it.allowed)}
            />
            <rect
              className="aa-bar-refused"
              x={index * step + 1}
              width={step - 2}
              y={HEIGHT - height(total(it))}
              height={height(it.refused)}
            />
          </g>
        ))}
      </svg>
      <div className="aa-axis" aria-hidden="true">
        <span>{day(from)}</span>
        <span>{day(to)}</span>
      </div>
      <p className="aa-hint" id={id}>
        {summary}
      </p>
      <details className="aa-details">
        <summary>{words.showTable}</summary>
        <Table
          heads={[words.day, words.allowed, words.refused]}
          rows={days
            .filter((it) => total(it) > 0)
            .reverse()
            .map((it) => [day(it.day), number(it.allowed), number(it.refused)])}
        />
        {usage.breakdown.length > 0 && (
          <Table
            heads={[words.byAgent, words.calls]}
            rows={usage.breakdown.map((it) => [
              it.label ?? strings.connections.unnamed,
              number(it.calls),
            ])}
          />
        )}
      </details>
    </div>
  );
}

function Table({ heads, rows }: { heads: string[]; rows: string[][] }) {
  return (
    <table className="aa-table">
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head} scope="col">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row[0]}>
            {row.map((cell, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns never move
              <td key={index}>
                <bdi>{cell}</bdi>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const total = (day: Day) => day.allowed + day.refused;

/** The service leaves days without calls out. */
export function everyDay(series: Day[], from: string, to: string): Day[] {
  const found = new Map(series.map((it) => [it.day, it]));
  const days: Day[] = [];
  for (
    let time = Date.parse(`${from}T00:00:00Z`);
    time <= Date.parse(`${to}T00:00:00Z`);
    time += 86_400_000
  ) {
    const day = new Date(time).toISOString().slice(0, 10);
    days.push(found.get(day) ?? { day, allowed: 0, refused: 0 });
  }
  return days;
}
