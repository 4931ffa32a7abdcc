// The page: episodes, controls, links, keys, filters, and what is shown at each step.

const FRAMES = 4; // steps a second when it plays
const QUICK = 160; // milliseconds between steps; below that somebody scrubs, and shapes jump instead of gliding
const SETTLED = 300; // milliseconds without a change, after which links and spoken texts follow
const MOST_APART = 8; // disagreements listed

class Viewer {
  constructor(data, root) {
    this.data = data;
    this.root = root;
    this.filters = { text: "", agent: "", sign: "", fault: "" };
    this.exact = Object.keys(data.episodes.find((episode) => Object.keys(episode.exact).length)?.exact ?? {})[0] ?? null;
    this.number = -1; // of the episode, from 0
    this.position = 0; // steps that are done: 0 is the start
    this.agent = null; // that is marked
    this.reasons = []; // {reason, button}
    this.build();
    window.addEventListener("hashchange", () => this.follow());
    document.addEventListener("keydown", (event) => this.press(event));
    this.follow(true);
  }

  // -- what is always there

  build() {
    const { data } = this;
    this.world = new World(s("svg", { role: "img" }));
    this.worldBox = h("div", { class: "world-box" });
    this.head = h("div", { class: "episode-head" });
    this.now = h("section", { class: "now-panel", "aria-label": "At this step" });
    this.timelineBox = h("div", { class: "timeline" });
    this.timeline = new Timeline(this.timelineBox, (...chosen) => this.pick(...chosen));
    this.under = h("div", { class: "under" });
    this.list = h("div", { class: "reasons", tabindex: "0", role: "region", "aria-label": "List of reasons" });
    this.apart = h("section", { class: "apart", hidden: true, "aria-label": "Largest disagreements with exact credit" });
    this.spoken = h("p", { class: "hidden", "aria-live": "polite" });
    this.nav = h("ol", { class: "episodes" });
    this.items = data.episodes.map((episode, k) => this.item(episode, k));
    this.nav.append(...this.items.map(({ element }) => element));
    this.root.replaceChildren(
      h("header", { class: "top" },
        h("div", {}, h("h1", {}, data.title), this.about()),
        h("div", { class: "tools" },
          h("button", { type: "button", class: "quiet", onclick: () => this.download() }, "Download CSV"),
          this.themeButton())),
      data.notes.length ? h("p", { class: "notes" }, data.notes.join(" ")) : "",
      h("div", { class: "columns" },
        h("nav", { class: "panel nav", "aria-label": "Episodes" }, h("h2", {}, "Episodes"), this.nav),
        h("main", { id: "episode", tabindex: "-1" },
          this.head,
          h("div", { class: "stage" }, this.worldBox, this.controls(), this.timelineSection(), this.now),
          this.under, this.spoken),
        h("aside", { class: "panel side-panel", "aria-label": "Reasons" }, this.apart, h("h2", {}, "Reasons"), this.filterForm(), this.list)),
      h("footer", {}, h("p", {}, h("kbd", {}, "←"), " ", h("kbd", {}, "→"), " step  ", h("kbd", {}, "space"), " play  ",
        h("kbd", {}, "home"), " ", h("kbd", {}, "end"), " first and last  ", h("kbd", {}, "tab"), " to the bars  ", h("kbd", {}, "page up"), " ", h("kbd", {}, "page down"), " episode")),
    );
  }

  about() {
    const { critics, episodes, total: all } = this.data;
    const shown = all > episodes.length ? `${counted(episodes.length)} of ${plural(all, "episode")} (the last)` : plural(episodes.length, "episode");
    const who = critics.length > 1 ? critics.map((name, side) => `${"AB"[side]} ${name}`).join(", ") : critics[0];
    return h("p", { class: "about" }, `${shown}, credited by `, h("strong", {}, who));
  }

  themeButton() {
    const root = document.documentElement;
    const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const button = h("button", { type: "button", class: "quiet" });
    const name = () => setText(button, dark() ? "Light colours" : "Dark colours");
    try {
      const kept = localStorage.getItem("credit-report-theme");
      if (kept) root.dataset.theme = kept;
    } catch { /* a browser may keep nothing for files */ }
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("credit-report-theme", root.dataset.theme); } catch { /* as above */ }
      name();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
    name();
    return button;
  }

  item(episode, k) {
    const said = episode.judged[0];
    const sum = total(episode.reward);
    const found = h("span", { class: "found", hidden: true });
    const marks = [...new Set(episode.judged.filter(Boolean).map((each) => each.source))].filter((source) => source === "fallback");
    const button = h("button", { type: "button", onclick: () => this.go(k, 0) },
      h("span", { class: "number" }, String(k + 1)),
      h("span", { class: "facts" }, h("span", {}, `return ${signed(sum)}`),
        h("span", { class: "small" }, [plural(episode.length, "step"), episode.seed === null ? "" : `seed ${episode.seed}`, episode.index === null ? "" : `index ${episode.index}`]
          .filter(Boolean).map((fact) => h("span", {}, fact)))),
      h("span", { class: "totals", "aria-hidden": "true" }, totalsPicture(episode, said)),
      marks.length ? h("span", { class: "small" }, "△ fallback") : "",
      found);
    return { element: h("li", {}, button), button, found };
  }

  controls() {
    const button = (name, sign, act) => h("button", { type: "button", class: "control", "aria-label": name, title: name, onclick: act },
      s("svg", { width: 18, height: 18, viewBox: "0 0 18 18", "aria-hidden": "true" }, s("path", { d: sign })));
    this.player = button("Play", PLAY, () => this.play(!this.playing));
    this.slider = h("input", { type: "range", min: 0, value: 0, step: 1, "aria-label": "Step", class: "slider",
      oninput: () => this.step(Number(this.slider.value)) });
    this.clock = h("output", { class: "clock" });
    return h("div", { class: "controls", role: "group", "aria-label": "Playback" },
      button("First", "M4 3v12M15 3L7 9l8 6z", () => this.step(0)),
      button("Step back", "M12 3L4 9l8 6z", () => this.step(this.position - 1)),
      this.player,
      button("Step forward", "M6 3l8 6-8 6z", () => this.step(this.position + 1)),
      button("Last", "M14 3v12M3 3l8 6-8 6z", () => this.step(this.episode.length)),
      this.slider, this.clock);
  }

  timelineSection() {
    const names = [...new Set(this.data.episodes.flatMap((episode) => Object.keys(episode.exact)))];
    this.choice = names.length
      ? h("label", { class: "exact-choice", title: exactWords(this.data, this.exact) }, "exact credit ", h("select", { onchange: (event) => this.chooseExact(event.target.value) },
          names.map((name) => h("option", { value: name, title: exactWords(this.data, name) }, name)), h("option", { value: "" }, "none")))
      : "";
    this.legend = h("p", { class: "legend" });
    return h("section", { class: "timeline-section", "aria-label": "Timeline" },
      h("div", { class: "timeline-head" }, h("h3", {}, "Credit over time"), this.legend, this.choice), this.timelineBox);
  }

  filterForm() {
    const change = (name) => (event) => {
      this.filters[name] = event.target.value;
      this.filtered();
    };
    const select = (name, label, options) => h("label", {}, h("span", {}, label), h("select", { onchange: change(name), name },
      options.map(([value, text]) => h("option", { value }, text))));
    const agents = [...new Set(this.data.episodes.flatMap((episode) => episode.agents))];
    this.count = h("output", { class: "count" });
    this.form = h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault(), onreset: () => {
      this.filters = { text: "", agent: "", sign: "", fault: "" };
      this.filtered();
    } },
      h("label", { class: "wide" }, h("span", {}, "Search"), h("input", { type: "search", name: "text", placeholder: "words of a reason", oninput: change("text") })),
      select("agent", "Agent", [["", "all"], ...agents.map((agent) => [agent, agent])]),
      select("sign", "Sign", [["", "both"], ["credit", "▲ credit"], ["blame", "▼ blame"]]),
      select("fault", "Fault", [["", "any"], ["faults", "with a fault"], ["none", "without"]]),
      h("div", { class: "filter-end" }, this.count, h("button", { type: "reset", class: "quiet" }, "Clear")));
    return this.form;
  }

  // -- an episode

  get episode() {
    return this.data.episodes[this.number];
  }

  /** Show an episode at a position. */
  go(number, position, agent = null) {
    this.play(false);
    if (number !== this.number) {
      this.items[this.number]?.button.removeAttribute("aria-current");
      this.number = number;
      this.items[number].button.setAttribute("aria-current", "true");
      this.revealEpisode(this.items[number].element);
      this.position = 0;
      this.openEpisode();
    }
    this.agent = agent;
    this.timeline.markSpan();
    this.step(position, true);
  }

  openEpisode() {
    const { episode, data } = this;
    const drawn = episode.scene !== null;
    if (drawn) {
      this.world.open(episode);
      const missing = episode.undrawn ? [h("p", { class: "undrawn" }, `${episode.undrawn}.`)] : [];
      this.worldBox.replaceChildren(this.world.element, ...missing);
    } else {
      this.worldBox.replaceChildren(h("p", { class: "undrawn" }, `Told as text: ${episode.undrawn}.`), (this.lines = stepList(episode, (position) => this.step(position))));
    }
    this.worldBox.classList.toggle("told", !drawn);
    this.slider.max = episode.length;
    this.openHead();
    this.openNow();
    this.timeline.open(episode, data, this.exact);
    this.openLegend();
    this.openUnder(drawn);
    this.openApart();
    this.openReasons();
  }

  openHead() {
    const { episode, data } = this;
    const ended = { terminated: "ended by the world", truncated: "time ran out", "not yet": "goes on" }[episode.ended];
    const facts = [plural(episode.length, "step"), ended, episode.seed === null ? "" : `seed ${episode.seed}`,
      episode.index === null ? "" : `index ${episode.index} of the data set`, episode.env].filter(Boolean);
    const several = data.critics.length > 1;
    const badges = (said, side) => {
      const usage = usageWords(data, episode, side);
      return h("p", { class: "badges" }, several ? h("span", { class: "side" }, "AB"[side]) : "", data.sources[side] ? h("strong", { class: "from" }, data.sources[side]) : "", badge(said), several && usage ? h("span", { class: "small" }, usage) : "");
    };
    const judged = episode.judged.map((said, side) => (said
      ? h("div", { class: "judged" }, several ? badges(said, side) : "", said.summary ? h("p", { class: "summary" }, said.summary) : "",
        said.tasks.length ? h("div", { class: "small tasks" }, h("p", {}, "Tasks that would have been best:"), episode.agents.map((agent, i) => h("p", {}, `${agent}: `,
          said.tasks.filter((span) => span[0] === i).map(([, start, stop, task, why], k) => h("span", { title: why }, `${k ? "; " : ""}${stop - start > 1 ? `${start}–${stop - 1}` : start} ${task}`))))) : "")
      : h("div", { class: "judged" }, h("p", { class: "small" }, `${"AB"[side]} has not judged this episode.`))));
    this.head.replaceChildren(
      h("div", { class: "head-line" }, h("h2", {}, `Episode ${this.number + 1}`), h("span", { class: "return" }, `return ${signed(total(episode.reward))}`),
        several ? "" : badges(episode.judged[0], 0)),
      h("p", { class: "small facts" }, facts.concat(several ? [] : usageWords(data, episode, 0) || []).join(" · ")),
      h("div", { class: `both sides-${judged.length}` }, judged));
  }

  openLegend() {
    const { data, episode } = this;
    this.legend.replaceChildren(
      h("span", {}, "▲ credit"), h("span", {}, "▼ blame, hatched"), this.timeline.cut ? h("span", {}, h("i", { class: "key-cut" }), "higher than drawn") : "", h("span", {}, h("i", { class: "key-sum" }), "running sum"),
      this.exact && episode.exact[this.exact] ? h("span", { title: `credit drawn for exact credit: ${scaleWords(data, this.exact)}` }, h("i", { class: "key-exact" }), "exact, scaled") : "");
  }

  openUnder(drawn) {
    const { episode, data } = this;
    const texts = episode.judged.flatMap((said, side) => {
      if (!said) return [];
      const whose = data.critics.length > 1 ? ` of ${"AB"[side]}` : "";
      return [["question", `Question${whose}`], ["answer", `Raw answer${whose}`]].filter(([name]) => said[name] !== null).map(([name, title]) =>
        folded(title, () => h("pre", { tabindex: "0" }, data.texts[said[name]])));
    });
    const steps = drawn ? folded("All steps as text", () => (this.lines = stepList(episode, (position) => this.step(position)))) : "";
    if (drawn) this.lines = null;
    this.under.replaceChildren(...[steps, ...texts].filter(Boolean));
  }

  openApart() {
    const { episode } = this;
    const found = this.exact ? disagreements(episode, this.data, this.exact, MOST_APART) : [];
    this.apart.hidden = !found.length;
    if (!found.length) return;
    const several = this.data.critics.length > 1;
    this.apart.replaceChildren(h("h2", {}, "Largest disagreements"),
      h("p", { class: "small" }, `critic and exact credit (${this.exact}), at the critic's scale: ${scaleWords(this.data, this.exact)}`),
      h("ol", {}, found.map((each) => h("li", {}, h("button", { type: "button", class: "apart-step",
        "aria-label": `step ${each.step}, ${episode.agents[each.agent]}: critic ${signed(each.said)}, exact ${signed(each.exact)}`,
        onclick: () => this.pick(each.step + 1, each.agent, each.side, true) },
        mark(each.agent), several ? h("span", { class: "side" }, "AB"[each.side]) : "", h("span", { class: "steps" }, `step ${each.step}`),
        h("span", { class: "amount" }, `${signed(each.said)} `, h("span", { class: "small" }, "exact"), ` ${signed(each.exact)}`))))));
  }

  openReasons() {
    const { episode, data } = this;
    const all = reasonsOf(episode);
    const passing = all.filter((reason) => passes(reason, episode, this.filters));
    this.reasons = passing.map((reason) => ({ reason, button: reasonButton(reason, episode, data.critics.length > 1, () => this.open(reason)) }));
    const none = all.length ? "No reason of this episode passes the filters." : "This credit came without reasons.";
    this.list.replaceChildren(...(this.reasons.length ? [h("ol", {}, this.reasons.map(({ button }) => h("li", {}, button)))] : [h("p", { class: "small none" }, none)]));
    setText(this.count, passing.length === all.length ? plural(all.length, "reason") : `${passing.length} of ${plural(all.length, "reason")}`);
    this.active = new Set();
  }

  openNow() {
    const { episode, data } = this;
    const sides = data.critics.map((_, side) => side);
    const several = sides.length > 1; // then there is no room for a column of what they did
    this.rows = episode.agents.map((agent, i) => {
      const row = { did: h(several ? "p" : "td", { class: "did" }), credits: sides.map(() => h("td", { class: "value" })), exact: h("td", { class: "value" }), why: h("p", { class: "why" }) };
      row.element = h("tr", {}, h("th", { scope: "row" }, mark(i, 22), h("span", { class: "who" }, agent)), several ? null : row.did, row.credits, this.exact ? row.exact : null);
      row.reason = h("tr", { class: "why-row" }, h("td", { colspan: 3 + sides.length }, several ? row.did : null, row.why));
      return row;
    });
    this.nowTitle = h("h3", {});
    this.nowPaid = h("p", { class: "paid" });
    const head = h("tr", {}, h("th", { scope: "col" }, "agent"), several ? null : h("th", { scope: "col" }, "did"),
      sides.map((side) => h("th", { scope: "col", class: "value" }, sides.length > 1 ? `credit ${"AB"[side]}` : "credit")),
      this.exact ? h("th", { scope: "col", class: "value", title: exactWords(this.data, this.exact) }, `exact${exactUnit(this.data, this.exact) ? `, ${exactUnit(this.data, this.exact)[1]}` : ""}`) : null);
    this.now.replaceChildren(this.nowTitle, h("table", {}, h("thead", {}, head), h("tbody", {}, this.rows.flatMap((row) => [row.element, row.reason]))), this.nowPaid);
  }

  // -- a step

  /** Show a position, from the start (0) to the end; drawing happens once a frame. */
  step(position, keep = false) {
    this.position = Math.min(this.episode.length, Math.max(0, position));
    if (!keep) {
      this.agent = null;
      this.timeline.markSpan();
    }
    if (!this.frame) this.frame = requestAnimationFrame(() => this.show());
  }

  show() {
    this.frame = null;
    const { episode, position } = this;
    if (episode.scene) this.world.show(position);
    this.timeline.show(position);
    this.slider.value = position;
    this.slider.style.setProperty("--done", `${(100 * position) / Math.max(1, episode.length)}%`);
    setText(this.clock, position ? `${position - 1} / ${episode.length - 1}` : "start");
    this.showNow();
    if (this.lines) this.showLine();
    const quick = performance.now() - this.shown < QUICK;
    this.shown = performance.now();
    this.worldBox.classList.toggle("quick", quick);
    if (!quick) this.showReasons(); // a long list costs most of a frame; while scrubbing the table beside the world has the reasons
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.settle(), SETTLED);
  }

  showNow() {
    const { episode, position, data } = this;
    const step = position - 1;
    const exact = this.exact ? episode.exact[this.exact] : null;
    setText(this.nowTitle, position ? `Step ${step}` : "Start");
    this.rows.forEach((row, i) => {
      setText(row.did, position ? deed(episode, step, i) || "–" : "");
      data.critics.forEach((_, side) => {
        const value = position && episode.judged[side] ? episode.judged[side].values[step][i] : null;
        setText(row.credits[side], value === null ? "" : signed(value));
        row.credits[side].classList.toggle("blamed", value < 0);
      });
      setText(row.exact, position && exact ? signed(exact[step][i], 1) : "");
      const whys = position ? episode.reasons[i].filter(({ start, stop }) => start <= step && step < stop) : [];
      setText(row.why, whys.map((reason) => (data.critics.length > 1 ? `${"AB"[reason.side]}: ` : "") + (reason.why || NO_REASON)).join("  "));
      row.reason.hidden = !whys.length && data.critics.length === 1;
      row.element.classList.toggle("marked", this.agent === i);
    });
    const paid = position && episode.reward[step] ? `Team reward ${signed(episode.reward[step], 3)}. ` : "";
    setText(this.nowPaid, position ? paid + episode.rest[step] : "");
  }

  showReasons() {
    const step = this.position - 1;
    for (const { reason, button } of this.reasons) {
      const now = reason.start <= step && step < reason.stop;
      if (now === this.active.has(reason)) continue;
      button.classList.toggle("now", now);
      this.active[now ? "add" : "delete"](reason);
    }
  }

  showLine() {
    const items = this.lines.children;
    this.lines.querySelector(".now")?.classList.remove("now");
    const item = items[this.position];
    item.classList.add("now");
    const box = this.lines;
    if (item.offsetTop < box.scrollTop || item.offsetTop + item.offsetHeight > box.scrollTop + box.clientHeight) {
      box.scrollTop = item.offsetTop - box.clientHeight / 2;
    }
  }

  /** Follow up a change when it stays: list of reasons, link, spoken text. */
  settle() {
    this.showReasons();
    const words = positionWords(this.episode, this.position);
    this.slider.setAttribute("aria-valuetext", words);
    setText(this.spoken, words);
    if (this.episode.scene) this.world.element.setAttribute("aria-label", this.world.told(this.position));
    const hash = this.link();
    if (location.hash !== hash) history.replaceState(null, "", hash);
    const first = this.reasons.find(({ reason }) => this.active.has(reason));
    if (first && !this.selected) this.reveal(first.button);
  }

  /** Scroll the list of reasons, if it scrolls by itself, so that one is seen. */
  reveal(button) {
    const item = button.parentElement;
    if (this.list.scrollHeight <= this.list.clientHeight + 1) return;
    const [top, bottom] = [item.offsetTop, item.offsetTop + item.offsetHeight];
    if (top < this.list.scrollTop || bottom > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = top - 24;
  }

  /** Scroll the list of episodes, down or, on small screens, across, so that one is seen; the page stays. */
  revealEpisode(item) {
    const { nav } = this;
    const [top, left] = [item.offsetTop - nav.offsetTop, item.offsetLeft - nav.offsetLeft];
    if (top < nav.scrollTop || top + item.offsetHeight > nav.scrollTop + nav.clientHeight) nav.scrollTop = top - 40;
    if (left < nav.scrollLeft || left + item.offsetWidth > nav.scrollLeft + nav.clientWidth) nav.scrollLeft = left - 16;
  }

  link() {
    const agent = this.agent === null ? "" : `/${encodeURIComponent(this.episode.agents[this.agent])}`;
    return `#${this.number + 1}/${this.position ? this.position - 1 : "start"}${agent}`;
  }

  /** Go where the address says: #episode/step/agent. */
  follow(first = false) {
    const [number, step, agent] = location.hash.slice(1).split("/");
    const k = Number(number) - 1;
    if (!(k in this.data.episodes)) {
      if (first) this.go(0, 0);
      return;
    }
    const { agents } = this.data.episodes[k];
    const i = agents.findIndex((name) => encodeURIComponent(name) === agent || name === agent);
    const position = /^\d+$/.test(step ?? "") ? Number(step) + 1 : 0;
    this.go(k, position, i < 0 ? null : i);
    if (i >= 0) this.select(position - 1, i, null);
  }

  /** Take a click or a movement in the timeline; an agent's bar opens its reason. */
  pick(position, agent, side, last) {
    this.play(false);
    this.agent = agent ?? this.agent;
    this.step(position, true);
    if (last && agent !== null) this.select(position - 1, agent, side);
    else if (agent === null) this.timeline.markSpan();
  }

  /** Mark the first reason of an agent at a step; one that a filter hides is shown again. */
  select(step, agent, side) {
    const here = (reason) => reason.agent === agent && (side === null || reason.side === side) && reason.start <= step && step < reason.stop;
    const hidden = this.reasons.some(({ reason }) => here(reason)) ? null : reasonsOf(this.episode).find(here);
    if (hidden) this.unhide(hidden);
    const found = this.reasons.find(({ reason }) => here(reason));
    this.mark(found ?? null);
    if (found) this.reveal(found.button);
  }

  mark(found) {
    this.selected?.button.removeAttribute("aria-current");
    this.selected = found;
    found?.button.setAttribute("aria-current", "true");
    if (found) this.timeline.markSpan(found.reason.start, found.reason.stop);
    else this.timeline.markSpan();
  }

  /** Show the steps of a reason. */
  open(reason) {
    this.play(false);
    this.agent = reason.agent;
    this.step(reason.start + 1, true);
    this.mark(this.reasons.find((each) => each.reason === reason));
  }

  play(on) {
    clearInterval(this.playing);
    this.playing = null;
    if (on) {
      if (this.position >= this.episode.length) this.step(0);
      this.playing = setInterval(() => (this.position < this.episode.length ? this.step(this.position + 1) : this.play(false)), 1000 / FRAMES);
    }
    this.player.querySelector("path").setAttribute("d", on ? PAUSE : PLAY);
    this.player.setAttribute("aria-label", on ? "Pause" : "Play");
    this.player.title = on ? "Pause" : "Play";
  }

  press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target;
    if (target.matches("input:not([type=range]), select, textarea") || (target === this.slider && !["PageUp", "PageDown", " "].includes(event.key))) return;
    if (event.key === " " && target.closest("button:not(.bar), summary, a")) return;
    if (["Home", "End", "PageUp", "PageDown"].includes(event.key) && target.closest("pre, .reasons, .lines-list")) return;
    const last = this.data.episodes.length - 1;
    const acts = {
      ArrowLeft: () => this.step(this.position - 1),
      ArrowRight: () => this.step(this.position + 1),
      Home: () => this.step(0),
      End: () => this.step(this.episode.length),
      " ": () => this.play(!this.playing),
      PageUp: () => this.go(Math.max(0, this.number - 1), 0),
      PageDown: () => this.go(Math.min(last, this.number + 1), 0),
    };
    if (!(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  }

  // -- filters, exact credit, download

  filtered() {
    const on = Object.values(this.filters).some(Boolean);
    this.data.episodes.forEach((episode, k) => {
      const count = reasonsOf(episode).filter((reason) => passes(reason, episode, this.filters)).length;
      const { element, found } = this.items[k];
      found.hidden = !on;
      setText(found, on ? String(count) : "");
      found.setAttribute("aria-label", plural(count, "matching reason"));
      element.classList.toggle("unmatched", on && !count);
    });
    this.mark(null);
    this.openReasons();
    this.showReasons();
  }

  /** Clear the filters that hide a reason. */
  unhide(reason) {
    for (const [name, value] of Object.entries(this.filters)) {
      if (passes(reason, this.episode, { [name]: value })) continue;
      this.filters[name] = "";
      this.form.elements[name].value = "";
    }
    this.filtered();
  }

  chooseExact(name) {
    this.exact = name || null;
    this.choice.title = exactWords(this.data, name);
    this.openEpisode();
    this.step(this.position, true);
  }

  download() {
    const address = URL.createObjectURL(new Blob(["\ufeff", csvOf(this.data)], { type: "text/csv" }));
    h("a", { href: address, download: "credit.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }
}

const PLAY = "M4 2l11 7-11 7z";
const PAUSE = "M4 2h3v14H4zM11 2h3v14h-3z";

/** Return a folded part whose content is made when it is opened first. */
function folded(title, make) {
  const element = h("details", {}, h("summary", {}, title));
  element.addEventListener("toggle", () => element.open && element.children.length === 1 && element.append(make()));
  return element;
}

/** Return a small picture of the agents' total credit. */
function totalsPicture(episode, said) {
  if (!said) return "";
  const sums = episode.agents.map((_, i) => total(said.values.map((row) => row[i])));
  const most = largest(sums);
  const step = Math.min(9, 28 / sums.length);
  const gap = Math.min(1.5, step / 2);
  return s("svg", { width: step * sums.length, height: 24, viewBox: `0 0 ${step * sums.length} 24` },
    sums.map((sum, i) => {
      const tall = Math.max(1, (Math.abs(sum) / most) * 11);
      return s("rect", { class: `agent-${i % PALETTE} ${sum < 0 ? "down" : "up"}`, x: i * step + gap / 2, width: step - gap, y: sum < 0 ? 12 : 12 - tall, height: tall });
    }), s("path", { class: "base", d: `M0 12H${step * sums.length}` }));
}

/** Put hatching for blame into the page, one pattern for each colour. */
function patterns() {
  const picture = s("svg", { width: 0, height: 0, "aria-hidden": "true", class: "patterns" }, s("defs", {},
    [...Array(PALETTE).keys(), "plain"].map((k) => s("pattern", { id: `hatch-${k}`, class: `agent-${k}`, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      s("rect", { class: "hatch-ground", width: 5, height: 5 }), s("rect", { class: "hatch-line", width: 2, height: 5 })))));
  document.body.append(picture);
}

const root = document.getElementById("app");
const data = await readData();
for (const episode of data.episodes) {
  const reasons = reasonsOf(episode);
  episode.reasons = episode.agents.map((_, i) => reasons.filter((reason) => reason.agent === i));
}
patterns();
root.hidden = false;
const viewer = new Viewer(data, root);
document.getElementById("state").hidden = true;
requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("report-shown")));
