// Elements, numbers and the agents' marks. Everything that comes from the data is inserted as text.

window.reportBegan = true; // for the guard: the file is whole

const SVG = "http://www.w3.org/2000/svg";

/** Return an element; attributes that begin with "on" are listeners, null and false leave one out. */
function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return an SVG element. */
function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) { // one by one: a call takes some ten thousand arguments only
    if (child !== null && child !== undefined && child !== "") element.append(child);
  }
  return element;
}

/** Set an element's text, if it is another one: writing the same text again would cost a layout. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const MINUS = "\u2212";

/** Return a number with its sign, such as +0.05; a true minus sign is as wide as the plus. */
function signed(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return Math.abs(value) > 1e-9 && digits < 4 ? signed(value, digits + 1) : text;
  return (value < 0 ? MINUS : "+") + text;
}

/** Return a whole number with separators. */
function counted(value) {
  return value.toLocaleString("en");
}

/** Return "1 step", "2 steps". */
function plural(count, word) {
  return `${counted(count)} ${word}${count === 1 ? "" : "s"}`;
}

function total(values) {
  return values.reduce((sum, value) => sum + (value ?? 0), 0);
}

/** Return the largest size of numbers, at least a tiny one. */
function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
}

const PALETTE = 8; // colours of agents in the style sheet

/** Return the outline of an agent's mark around the origin: a shape of its own for each of the first eight. */
function markPath(agent, radius) {
  const r = radius;
  const polygon = (corners, turn = -90, size = r) =>
    "M" + Array.from({ length: corners }, (_, k) => {
      const angle = ((turn + (360 / corners) * k) * Math.PI) / 180;
      return `${(size * Math.cos(angle)).toFixed(2)} ${(size * Math.sin(angle)).toFixed(2)}`;
    }).join("L") + "Z";
  const circle = `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`;
  const shapes = [
    () => circle,
    () => `M${-r * 0.88} ${-r * 0.88}H${r * 0.88}V${r * 0.88}H${-r * 0.88}Z`,
    () => polygon(3, -90, r * 1.22),
    () => polygon(4, -90, r * 1.16),
    () => polygon(5, -90, r * 1.08),
    () => polygon(6, 0, r * 1.04),
    () => polygon(3, 90, r * 1.22),
    () => polygon(8, 22.5),
  ];
  return shapes[agent % shapes.length]();
}

/** Return an agent's mark as a small picture; its name stands beside it. */
function mark(agent, size = 18) {
  return s(
    "svg",
    { class: `mark agent-${agent % PALETTE}`, width: size, height: size, viewBox: "-12 -12 24 24", "aria-hidden": "true" },
    s("path", { d: markPath(agent, 9.5) }),
    s("text", { y: markMiddle(agent), "font-size": 10.5 }, String(agent)),
  );
}

/** Return where the middle of the number stands in a mark: lower in a triangle that points up. */
function markMiddle(agent, size = 1) {
  return ([0, 0, 2.4, 0, 0.4, 0, -2.4, 0][agent % 8] ?? 0) * size;
}

/** Return the data of the page. */
async function readData() {
  const packed = document.getElementById("data").textContent.trim();
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = JSON.parse(await new Response(stream).text());
  if (data.version !== 1) throw new Error(`its data have version ${data.version}, this page reads version 1`);
  return data;
}
