// Reasons: what they are, which of them the filters leave, and where critic and exact credit disagree most.

const NO_REASON = "no reason given";

/** Return an episode's reasons of all critics, by first step: {side, agent, start, stop, amount, why, fault}. */
function reasonsOf(episode) {
  const found = episode.judged.flatMap((said, side) =>
    (said?.events ?? []).map(([agent, start, stop, amount, why]) => {
      const fault = episode.cost.slice(start, stop).some((row) => row[agent] > 0);
      return { side, agent, start, stop, amount, why, fault };
    }),
  );
  return found.sort((a, b) => a.start - b.start || a.agent - b.agent || a.side - b.side);
}

/** Return whether the filters let a reason through. */
function passes(reason, episode, filters) {
  if (filters.agent && episode.agents[reason.agent] !== filters.agent) return false;
  if (filters.sign === "credit" && !(reason.amount > 0)) return false;
  if (filters.sign === "blame" && !(reason.amount < 0)) return false;
  if (filters.fault === "faults" && !reason.fault) return false;
  if (filters.fault === "none" && reason.fault) return false;
  return !filters.text || reason.why.toLowerCase().includes(filters.text.toLowerCase());
}

/**
 * Return the steps in which a critic and exact credit differ most, largest first: {side, agent, step, said, exact}.
 * Differences count in the usual credit of each critic, so that one that gives large credits does not hide the other.
 */
function disagreements(episode, data, name, most) {
  const found = [];
  episode.judged.forEach((said, side) => {
    const exact = said && exactValues(episode, data, name, side);
    const usual = said ? scaleOf(said.values.flat()) : 1;
    exact?.forEach((row, step) => row.forEach((value, agent) => {
      const credit = said.values[step][agent];
      const apart = value === null ? 0 : Math.abs(credit - value) / usual;
      if (apart > 1e-6) found.push({ side, agent, step, said: credit, exact: value, apart });
    }));
  });
  return found.sort((a, b) => b.apart - a.apart).slice(0, most);
}

/** Return "step 4" or "steps 4 to 6". */
function spanWords({ start, stop }) {
  return stop - start > 1 ? `steps ${start} to ${stop - 1}` : `step ${start}`;
}

/** Return the button of a reason. */
function reasonButton(reason, episode, several, chosen) {
  const spoken = `${episode.agents[reason.agent]}, ${spanWords(reason)}, ${signed(reason.amount)}. ${reason.why}`;
  return h("button", { type: "button", class: `reason ${reason.amount < 0 ? "blame" : "credit"}`, "aria-label": spoken, onclick: chosen },
    h("span", { class: "reason-head" }, mark(reason.agent), h("span", { class: "who" }, episode.agents[reason.agent]),
      several ? h("span", { class: "side" }, "AB"[reason.side]) : null,
      h("span", { class: "steps" }, reason.stop - reason.start > 1 ? `${reason.start}–${reason.stop - 1}` : String(reason.start)),
      reason.fault ? h("span", { class: "fault-flag", title: "a fault with a cost is in these steps" }, "! fault") : null,
      h("span", { class: "amount" }, `${reason.amount < 0 ? "▼" : "▲"} ${signed(reason.amount)}`)),
    h("span", { class: "why" }, reason.why || NO_REASON));
}
