// Texts beside the pictures: the steps in words, badges of sources, tokens and cost, the table to download.

/** Return what an agent did in a step, "" if nothing is known. */
function deed(episode, step, agent) {
  return episode.deeds[step]?.[agent] ?? "";
}

/** Return a position in words, for screen readers. */
function positionWords(episode, position) {
  if (!position) return `Start, before step 0 of ${episode.length}`;
  const step = position - 1;
  const did = episode.agents.map((agent, i) => {
    const credits = episode.judged.filter(Boolean).map((said) => signed(said.values[step][i]));
    return `${agent}: ${deed(episode, step, i) || "nothing"}, credit ${credits.join(" and ")}`;
  });
  const paid = episode.reward[step] ? `; team reward ${signed(episode.reward[step])}` : "";
  return `Step ${step} of ${episode.length}. ${did.join("; ")}${paid}`;
}

/** Return the steps as a list of buttons, for environments without a drawing and for whoever reads rather than looks. */
function stepList(episode, chosen) {
  const line = (position, number, text) => h("li", {},
    h("button", { type: "button", class: "line", onclick: () => chosen(position) }, h("span", { class: "steps" }, number), h("span", {}, text)));
  const items = [line(0, "start", episode.start || "no text of the start")];
  for (let step = 0; step < episode.length; step++) {
    const did = episode.agents.map((agent, i) => (deed(episode, step, i) ? `${agent} ${deed(episode, step, i)}` : "")).filter(Boolean);
    const paid = episode.reward[step] ? ` | reward ${signed(episode.reward[step], 3)}` : "";
    items.push(line(step + 1, String(step), did.join("; ") + paid + (episode.rest[step] ? ` | ${episode.rest[step]}` : "")));
  }
  return h("ol", { class: "lines-list" }, items);
}

const SOURCES = {
  model: ["◆", "a language model answered"],
  cache: ["◇", "a language model's answer, from a ledger"],
  student: ["▣", "a student of the critic"],
  scripted: ["□", "rules that read the text, no model"],
  fallback: ["△", "no usable answer: the fallback"],
  exact: ["=", "computed from a simulator"],
  baseline: ["○", "a baseline, without reasons"],
  team: ["○", "the team's reward"],
};

/** Return the badge of where a credit comes from. */
function badge(said) {
  const [sign, about] = SOURCES[said.source] ?? ["○", said.source];
  return h("span", { class: `badge source-${said.source}`, title: about },
    h("span", { "aria-hidden": "true" }, sign), ` ${said.source}`, said.model ? h("span", { class: "model" }, said.model) : null);
}

// What a value counts: one of it, several of it, and what credit says of it.
const UNITS = { time: ["step", "steps", "steps to go saved"], work: ["action", "actions", "actions to go saved"] };
const DELIVERIES = ["reward", "reward", "discounted reward gained, an estimate,"]; // "time" in the warehouse
const KINDS = {
  difference: "by this agent's own action",
  shapley: "when this agent joins: the mean over all orders in which agents join",
};

/** Return what exact credit of this name counts, such as ["step", ...] of "time difference"; undefined if it is not known. */
function exactUnit(data, name) {
  const value = name.split(" ")[0];
  return value === "time" && data.episodes[0].env.startsWith("rware") ? DELIVERIES : UNITS[value];
}

/** Return what exact credit of this name counts, in words; "" if it is not known. */
function exactWords(data, name) {
  const [unit, kind] = [exactUnit(data, name), KINDS[name.split(" ")[1]]];
  return unit && kind ? `${unit[2]} ${kind}` : "";
}

/** Return how much credit stands for a unit of exact credit, for each critic. */
function scaleWords(data, name) {
  const said = data.scales.map((each, side) => each[name].toPrecision(2) + (data.scales.length > 1 ? ` of ${"AB"[side]}` : ""));
  return `1 ${exactUnit(data, name)?.[0] ?? "unit"} = ${said.join(", ")}`;
}

/** Return what the query of an episode took, in words; "" if nothing is known. */
function usageWords(data, episode, side) {
  const said = episode.judged[side];
  const together = data.episodes.filter((other) => other.judged[side]?.query === said.query);
  const usages = together.map((other) => other.judged[side].usage).filter((usage) => usage.calls);
  if (!usages.length) return "";
  const sum = (name) => total(usages.map((usage) => usage[name]));
  const parts = [`${counted(sum("read"))} tokens read`, `${counted(sum("written"))} written`];
  if (sum("cached")) parts.push(`${counted(sum("cached"))} of them from the provider's cache`);
  if (usages.some((usage) => usage.cost !== undefined)) parts.push(`cost ${sum("cost").toPrecision(3)}`);
  if (sum("seconds") >= 0.1) parts.push(`${sum("seconds").toFixed(1)} s`);
  return parts.join(", ") + (together.length > 1 ? `, for ${together.length} of these episodes` : "");
}

/** Return all steps as a table of comma-separated values. */
function csvOf(data) {
  const names = [...new Set(data.episodes.flatMap((episode) => Object.keys(episode.exact)))];
  const sides = data.critics.map((critic, side) => (data.critics.length > 1 ? `${"AB"[side]} ${critic}` : critic));
  const head = ["episode", "key", "seed", "step", "agent", "action", "team_reward", "cost",
    ...sides.flatMap((side) => [`credit ${side}`, `reasons ${side}`]), ...names.map((name) => `exact ${name}`)];
  const rows = [head];
  data.episodes.forEach((episode, k) => {
    const reasons = reasonsOf(episode);
    for (let step = 0; step < episode.length; step++) {
      episode.agents.forEach((agent, i) => rows.push([k + 1, episode.key, episode.seed ?? "", episode.first + step, agent,
        deed(episode, step, i), episode.reward[step], episode.cost[step][i],
        ...episode.judged.flatMap((said, side) => [said ? said.values[step][i] : "",
          reasons.filter((r) => r.side === side && r.agent === i && r.start <= step && step < r.stop).map((r) => r.why).filter(Boolean).join("; ")]),
        ...names.map((name) => episode.exact[name]?.[step][i] ?? "")]));
    }
  });
  return rows.map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

/** Return a cell, an empty one for what is unknown; a text that a spreadsheet would take for a formula gets an apostrophe. */
function csvCell(value) {
  if (typeof value === "number") return String(value);
  const said = String(value ?? "");
  const text = /^[=+\-@\t\r]/.test(said) ? `'${said}` : said;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
