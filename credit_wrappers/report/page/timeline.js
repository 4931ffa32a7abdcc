// The timeline: bars of credit for each agent and critic, its running sum, exact credit as a line, reward and cost.
// Bars that have a reason can be reached by keyboard: one stop of the tab key, then arrows.

const [BARS, SUMS] = [66, 26]; // heights in pixels
const [FLAT_BARS, FLAT_SUMS, FEW] = [34, 14, 6]; // with more lanes than a few
const PAID = 30;
const WIDEST = 22; // of a bar

class Timeline {
  /**
   * Make the timeline in an element.
   * @param {(position: number, agent: number | null, side: number, last: boolean) => void} chosen - called for clicks
   *     and while scrubbing; `last` is false until the pointer is released
   */
  constructor(element, chosen) {
    this.element = element;
    this.lanes = h("div", { class: "lanes", role: "group", "aria-label": "Bars with a reason: arrows move, enter opens the reason" });
    this.head = h("div", { class: "playhead", "aria-hidden": "true" });
    this.span = h("div", { class: "span", "aria-hidden": "true", hidden: true });
    this.over = h("div", { class: "over" }, this.span, this.head);
    element.replaceChildren(this.lanes, this.over);
    this.chosen = chosen;
    new ResizeObserver(() => this.episode && this.resize()).observe(element);
    this.listen();
  }

  /** Draw an episode. */
  open(episode, data, exact) {
    Object.assign(this, { episode, data, exact, width: 0, bar: null });
    this.resize();
  }

  resize() {
    const style = getComputedStyle(this.element);
    const gutter = parseFloat(style.getPropertyValue("--gutter")) || 0;
    const ending = parseFloat(style.getPropertyValue("--ending")) || 0;
    const width = Math.max(120, this.element.clientWidth - gutter - ending);
    this.over.style.left = `${gutter}px`;
    this.over.style.width = `${width}px`;
    if (width === this.width) return;
    this.width = width;
    this.draw();
    this.show(this.position ?? 0);
  }

  draw() {
    const { episode, data } = this;
    const judged = episode.judged.map((said, side) => [said, side]).filter(([said]) => said);
    const sizes = judged.map(([said]) => scaleOf(said.values.flat()));
    this.cut = judged.some(([said], k) => said.values.flat().some((value) => Math.abs(value) > sizes[k]));
    const lines = judged.map(([, side]) => exactValues(episode, data, this.exact, side));
    const sums = judged.map(([said]) => episode.agents.map((_, i) => running(said.values.map((row) => row[i]))));
    const most = sums.map((each) => largest(each.flat()));
    const [bars, under] = episode.agents.length * judged.length > FEW ? [FLAT_BARS, FLAT_SUMS] : [BARS, SUMS];
    const lanes = [];
    const focused = this.lanes.contains(document.activeElement);
    this.values = [];
    this.bars = []; // of each lane that has some: {step, agent, side, button}
    episode.agents.forEach((name, i) => {
      judged.forEach(([said, side], k) => {
        const column = said.values.map((row) => row[i]);
        const line = lines[k]?.map((row) => row[i]);
        const chart = s("svg", { class: `chart agent-${i % PALETTE}`, height: bars, width: this.width, "aria-hidden": "true" },
          barShapes(column, sizes[k], this.width, bars), line ? exactLine(line, sizes[k], this.width, bars) : null);
        const sum = s("svg", { class: `chart sum agent-${i % PALETTE}`, height: under, width: this.width, "aria-hidden": "true" },
          sumShapes(sums[k][i], most[k], this.width, under));
        const now = h("span", { class: "now" });
        const label = h("div", { class: "lane-label" }, h("span", { class: "lane-name" }, mark(i), h("span", { class: "who" }, name)),
          h("span", { class: "lane-now" }, judged.length > 1 ? h("span", { class: "side" }, "AB"[side]) : null, now));
        const end = h("div", { class: "lane-end" }, signed(sums[k][i].at(-1) ?? 0));
        const stops = this.stops(column, i, side, judged.length > 1, bars);
        lanes.push(h("div", { class: "lane", "data-agent": i, "data-side": side }, label,
          h("div", { class: "charts" }, chart, sum, stops.map(({ button }) => button)), end));
        this.values.push({ now, column, sums: sums[k][i] });
      });
    });
    lanes.push(this.paid("reward", episode.reward, "team reward"));
    const costs = episode.cost.map(total);
    if (costs.some((cost) => cost)) lanes.push(this.paid("cost", costs.map((cost) => -cost), "cost", costs));
    this.lanes.replaceChildren(...lanes);
    const same = ({ step, agent, side }) => step === this.bar?.step && agent === this.bar.agent && side === this.bar.side;
    this.bar = this.bars.flat().find(same) ?? this.bars[0]?.[0]; // after a change of the width the same one
    this.bar?.button.setAttribute("tabindex", "0");
    if (focused) this.bar?.button.focus();
  }

  /** Return what the keyboard reaches in a lane: a button over each bar that has a reason. */
  stops(column, agent, side, several, height) {
    const { episode } = this;
    const width = 100 / episode.length;
    const who = episode.agents[agent] + (several ? ` ${"AB"[side]}` : "");
    const found = [];
    column.forEach((value, step) => {
      const reason = value && episode.reasons[agent].find((each) => each.side === side && each.start <= step && step < each.stop);
      if (!reason) return;
      const button = h("button", { type: "button", class: "bar", tabindex: "-1", "aria-label": `${who}, step ${step}, ${signed(value)}: ${reason.why || NO_REASON}` });
      button.style.cssText = `left: ${step * width}%; width: ${width}%; height: ${height}px`;
      found.push({ step, agent, side, button });
    });
    if (found.length) this.bars.push(found);
    return found;
  }

  /** Move from one bar with a reason to another one; return whether the key does that. */
  walk(key) {
    const lane = this.bars.findIndex((each) => each.includes(this.bar));
    const row = this.bars[lane];
    const at = row.indexOf(this.bar);
    const nearest = (other) => other?.reduce((a, b) => (Math.abs(b.step - this.bar.step) < Math.abs(a.step - this.bar.step) ? b : a));
    const next = {
      ArrowLeft: () => row[at - 1], ArrowRight: () => row[at + 1], Home: () => row[0], End: () => row.at(-1),
      ArrowUp: () => nearest(this.bars[lane - 1]), ArrowDown: () => nearest(this.bars[lane + 1]),
    }[key];
    if (!next) return false;
    this.bar.button.setAttribute("tabindex", "-1");
    this.bar = next() ?? this.bar;
    this.bar.button.setAttribute("tabindex", "0");
    this.bar.button.focus();
    return true;
  }

  /** Return the lane of what the team was paid, or of its costs. */
  paid(kind, values, name, told = values) {
    const size = largest(values);
    const chart = s("svg", { class: `chart ${kind}`, height: PAID, width: this.width, "aria-hidden": "true" },
      barShapes(values, size, this.width, PAID));
    const now = h("span", { class: "now" });
    const whole = total(told);
    this.values.push({ now, column: told, sums: null, plain: kind === "cost" });
    return h("div", { class: `lane ${kind}` }, h("div", { class: "lane-label" }, h("span", { class: "who" }, name), h("span", { class: "lane-now" }, now)),
      h("div", { class: "charts" }, chart), h("div", { class: "lane-end" }, kind === "cost" ? String(Number(whole.toFixed(2))) : signed(whole)));
  }

  /** Show the state after so many steps. */
  show(position) {
    this.position = position;
    const at = position ? (position - 0.5) * (this.width / this.episode.length) : 0;
    this.head.style.transform = `translateX(${at.toFixed(1)}px)`;
    for (const { now, column, plain } of this.values) {
      const value = position ? column[position - 1] : null;
      setText(now, value ? (plain ? String(value) : signed(value)) : "");
    }
  }

  /** Mark steps `start` to `stop` - 1; without arguments none. */
  markSpan(start, stop) {
    const step = this.width / this.episode.length;
    this.span.hidden = start === undefined;
    if (this.span.hidden) return;
    this.span.style.left = `${start * step}px`;
    this.span.style.width = `${Math.max(2, (stop - start) * step)}px`;
  }

  listen() {
    this.lanes.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !event.target.matches(".bar") || !this.walk(event.key)) return;
      event.preventDefault();
      event.stopPropagation(); // these keys step elsewhere
    });
    this.lanes.addEventListener("keyup", (event) => {
      if (event.key === " " && event.target.matches(".bar")) event.preventDefault(); // it plays: enter alone opens
    });
    this.lanes.addEventListener("click", (event) => {
      const bar = this.bars.flat().find(({ button }) => button === event.target);
      if (bar) this.chosen(bar.step + 1, bar.agent, bar.side, true);
    });
    let under = false;
    const at = (event) => {
      const box = this.over.getBoundingClientRect();
      const step = Math.floor(((event.clientX - box.left) / box.width) * this.episode.length);
      return Math.min(this.episode.length, Math.max(0, step + 1));
    };
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      const lane = event.target.closest(".lane");
      if (!event.target.closest(".charts")) return;
      under = { agent: lane?.dataset.agent ? Number(lane.dataset.agent) : null, side: Number(lane?.dataset.side ?? 0) };
      this.element.setPointerCapture(event.pointerId);
      this.chosen(at(event), under.agent, under.side, false);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (under) this.chosen(at(event), null, under.side, false);
    });
    const end = (event) => {
      if (!under) return;
      this.chosen(at(event), under.agent, under.side, true);
      under = false;
    };
    this.element.addEventListener("pointerup", end);
    this.element.addEventListener("pointercancel", end);
  }
}

/** Return the exact credit of an episode at the critic's scale, (T, N); null where there is none. */
function exactValues(episode, data, name, side) {
  const values = name ? episode.exact[name] : null;
  const scale = data.scales[side]?.[name] ?? 1;
  return values?.map((row) => row.map((value) => (value === null ? null : value * scale))) ?? null;
}

function running(values) {
  let sum = 0;
  return values.map((value) => (sum += value ?? 0));
}

/** Return the credit that fills a lane: the largest, but at most five times the usual one, so that small ones are seen. */
function scaleOf(values) {
  const sizes = values.map(Math.abs).filter((size) => size > 1e-9).sort((a, b) => a - b);
  return sizes.length ? Math.min(sizes.at(-1), 5 * sizes[sizes.length >> 1]) : 1;
}

/** Return bars: up and full for credit, down and hatched for blame; a gap marks those that are cut off. */
function barShapes(values, size, width, height) {
  const step = width / values.length;
  const gap = Math.max(step > 5 ? 1.5 : step > 2.5 ? 0.5 : 0, (step - WIDEST) / 2);
  const middle = height / 2;
  const [up, down, cuts] = [[], [], []];
  values.forEach((value, t) => {
    if (!value) return;
    const tall = Math.max(1.5, Math.min(1, Math.abs(value) / size) * (middle - 2));
    const [left, right] = [(t * step + gap).toFixed(2), ((t + 1) * step - gap).toFixed(2)];
    const edge = value > 0 ? middle - tall : middle + tall;
    if (Math.abs(value) > size * 1.001) {
      const y = value > 0 ? edge + 7 : edge - 7;
      cuts.push(`M${left - 1} ${y + 2.5}L${Number(right) + 1} ${y - 2.5}`);
    }
    (value > 0 ? up : down).push(`M${left} ${middle}V${edge.toFixed(2)}H${right}V${middle}Z`);
  });
  return [
    s("path", { class: "base", d: `M0 ${middle}H${width}` }),
    s("path", { class: "up", d: up.join("") }),
    s("path", { class: "down", d: down.join("") }),
    s("path", { class: "cut", d: cuts.join("") }),
  ];
}

/** Return the stepped line of exact credit; it is broken where a value is unknown. */
function exactLine(values, size, width, height) {
  const step = width / values.length;
  let [path, before] = ["", null];
  values.forEach((value, t) => {
    if (value !== null) {
      const y = (height / 2 - Math.max(-1, Math.min(1, value / size)) * (height / 2 - 2)).toFixed(2);
      path += `${before === null ? "M" : "L"}${(t * step).toFixed(2)} ${y}H${((t + 1) * step).toFixed(2)}`;
    }
    before = value;
  });
  return [s("path", { class: "exact-under", d: path }), s("path", { class: "exact-line", d: path })];
}

/** Return the running sum as an area and its line. */
function sumShapes(sums, most, width, height) {
  const step = width / sums.length;
  const middle = height / 2;
  const y = (sum) => (middle - (sum / most) * (middle - 2)).toFixed(2);
  const line = sums.map((sum, t) => `L${((t + 0.5) * step).toFixed(2)} ${y(sum)}`).join("");
  const end = `H${width}`;
  return [
    s("path", { class: "base", d: `M0 ${middle}H${width}` }),
    s("path", { class: "area", d: `M0 ${middle}${line}${end}V${middle}Z` }),
    s("path", { class: "line", d: `M0 ${middle}${line}${end}` }),
  ];
}
