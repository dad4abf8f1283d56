// A line chart of the last hour, drawn by uPlot; its numbers are said in words too, as a canvas has none.

const uPlot = globalThis.uPlot;

function colour(name) {
  // What the style sheet makes of a variable at present, light or dark.
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const faint = (found) => found.replace(/^rgb\((.*)\)$/, "rgba($1, 0.12)");

export function chart({ lines, format, least }) {
  // `lines`: [{ label, tone, fill }]; `least`: up to where the axis goes at least. `show` takes [times in seconds, values of each line].
  const element = document.createElement("div");
  element.className = "chart";
  const readout = element.appendChild(document.createElement("p"));
  readout.className = "readout";
  let plot = null;
  let theme = "";
  let shown = null;

  const size = () => ({ width: Math.max(element.clientWidth - 16, 120), height: Math.max(element.clientHeight - 8, 100) });
  const resized = new ResizeObserver(() => plot?.setSize(size()));
  resized.observe(element);

  function build(data) {
    plot?.destroy();
    const [text, grid] = [colour("--muted"), colour("--line")];
    const axis = { stroke: text, font: "11px system-ui, sans-serif", grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    plot = new uPlot(
      {
        ...size(),
        padding: [8, 16, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
        scales: { y: { range: (_, __, highest) => [0, Math.max(highest * 1.1, least)] } },
        axes: [
          { ...axis, grid: { show: false }, size: 26, space: 64, incrs: WHOLE_MINUTES, values: (_, times) => times.map(minutes) },
          { ...axis, size: 52, values: (_, values) => values.map(format) },
        ],
        series: [
          {},
          ...lines.map(({ label, tone, fill }) => {
            const stroke = colour(tone);
            return { label, stroke, width: 1.5, fill: fill ? faint(stroke) : undefined, points: { size: 4, show: isSparse }, spanGaps: true };
          }),
        ],
        hooks: { setCursor: [read] },
      },
      data,
      element,
    );
  }

  function read({ cursor: { idx } }) {
    // What the lines are at the time that the pointer is over.
    const some = idx !== null && idx !== undefined && shown;
    readout.textContent = some
      ? [minutes(shown[0][idx]), ...lines.map(({ label }, line) => `${label} ${format(shown[line + 1][idx])}`)].join(" · ")
      : "";
  }

  return {
    element,
    show(data) {
      shown = data;
      const now = getComputedStyle(document.documentElement).colorScheme + colour("--line");
      if (plot && now === theme) return plot.setData(data);
      theme = now;
      build(data);
    },
    close() {
      resized.disconnect();
      plot?.destroy();
    },
  };
}

// A value with none beside it is no line yet.
const isSparse = (plot, line) => plot.data[line].filter((value) => value !== null).length < 3;

const WHOLE_MINUTES = [1, 2, 5, 10, 15, 20, 30].map((count) => count * 60);
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const minutes = (seconds) => CLOCK.format(seconds * 1000);
