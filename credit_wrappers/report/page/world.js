// The world: a grid of shapes, drawn from the scenes of an episode.

const CELL = 40; // length of a cell in the drawing
const TURNS = { north: 0, east: 90, south: 180, west: 270 };

class World {
  /** Make the drawing; `element` is an empty SVG. */
  constructor(element) {
    this.element = element;
  }

  /** Draw the grid and what never changes of an episode. */
  open(episode) {
    const { rows, columns, ground, still } = episode.scene;
    this.scene = episode.scene;
    this.nodes = new Map(); // by the shape's id: its element, and its place in the table
    const [width, height] = [columns * CELL, rows * CELL];
    const lines = [];
    for (let row = 1; row < rows; row++) lines.push(`M0 ${row * CELL}H${width}`);
    for (let column = 1; column < columns; column++) lines.push(`M${column * CELL} 0V${height}`);
    this.shapes = s("g", {});
    this.element.setAttribute("viewBox", `-1 -1 ${width + 2} ${height + 2}`);
    this.element.setAttribute("class", `world ground-${ground}`);
    this.element.style.setProperty("--ratio", String(columns / rows));
    this.element.replaceChildren(
      s("rect", { class: "ground", width, height, rx: 6 }),
      s("path", { class: "lines", d: lines.join("") }),
      this.shapes,
    );
    for (const place of still) this.insert(this.drawn(this.scene.shapes[place], null));
  }

  /** Show the state after so many steps; only shapes that changed are touched. */
  show(position) {
    const seen = new Set();
    for (const place of this.scene.moments[position]) {
      const shape = this.scene.shapes[place];
      seen.add(shape.id);
      const node = this.nodes.get(shape.id);
      if (node?.place === place) continue;
      const element = this.drawn(shape, node && this.moved(node.place, shape) ? node.element : null);
      if (element !== node?.element) {
        if (node) node.element.replaceWith(element);
        else this.insert(element);
      }
      this.nodes.set(shape.id, { element, place });
    }
    for (const [id, node] of this.nodes) {
      if (seen.has(id)) continue;
      node.element.remove();
      this.nodes.delete(id);
    }
  }

  /** Return whether a shape differs from an earlier one in its place only. */
  moved(place, shape) {
    const before = this.scene.shapes[place];
    return ["kind", "tone", "label", "note", "heading", "to"].every((name) => String(before[name]) === String(shape[name]));
  }

  /** Put an element where its kind belongs: agents in front of things. */
  insert(element) {
    const after = [...this.shapes.children].find((other) => other.order > element.order);
    this.shapes.insertBefore(element, after ?? null);
  }

  /** Return the element of a shape, a new one or `old`, in the shape's place. */
  drawn(shape, old) {
    const element = old ?? s("g", { class: `shape ${shape.kind} tone-${shape.tone || "plain"}` }, shapeParts(shape));
    const [row, column] = shape.at;
    element.style.transform = `translate(${(column + 0.5) * CELL}px, ${(row + 0.5) * CELL}px)`;
    element.querySelector("title").textContent = shape.name || shape.id;
    element.order = { tile: 0, place: 1, link: 2, agent: 4 }[shape.kind] ?? 3;
    return element;
  }

  /** Return the state after so many steps in words. */
  told(position) {
    const names = this.scene.moments[position].map((place) => {
      const { name, at } = this.scene.shapes[place];
      return `${name} at row ${Math.round(at[0])}, column ${Math.round(at[1])}`;
    });
    return `Grid of ${this.scene.rows} rows and ${this.scene.columns} columns. ${names.join("; ")}`;
  }
}

/** Return the parts of a shape around the middle of its cell. */
function shapeParts(shape) {
  const parts = [s("title", {})];
  const text = (content, y, size, name) => s("text", { class: name, y, "font-size": size }, String(content));
  if (shape.kind === "tile") {
    parts.push(s("rect", { x: -19, y: -19, width: 38, height: 38, rx: 3 }));
    if (shape.tone === "station") parts.push(s("path", { class: "detail", d: "M-10 -10L10 10M10 -10L-10 10" }));
    if (shape.tone === "goal") parts.push(text("goal", 0, 12, "on-tile"));
  } else if (shape.kind === "place") {
    parts.push(s("rect", { x: -17, y: -17, width: 34, height: 34, rx: 5 }));
    if (shape.label) parts.push(text(shape.label, 0, 12, "on-place"));
  } else if (shape.kind === "box") {
    parts.push(s("rect", { x: -14, y: -14, width: 28, height: 28, rx: 4 }));
    if (shape.label) parts.push(text(shape.label, 0, 12, "on-box"));
  } else if (shape.kind === "food") {
    parts.push(s("path", { class: "stem", d: "M0 -12Q1 -17 6 -17" }), s("circle", { r: 12.5, cy: 1 }));
    parts.push(text(shape.label ?? "", 1, 14, "on-food"));
  } else if (shape.kind === "rock") {
    parts.push(s("path", { class: "body", d: "M-13 3L-8 -11L5 -13L14 -3L10 11L-4 14Z" }));
    if (shape.heading) parts.push(s("path", { class: "way", d: "M0 -18L4 -13H-4Z", transform: `rotate(${TURNS[shape.heading]})` }));
  } else if (shape.kind === "link") {
    const [row, column] = [shape.to[0] - shape.at[0], shape.to[1] - shape.at[1]];
    parts.push(s("path", { d: `M0 0L${column * CELL} ${row * CELL}` }));
  } else {
    parts.push(...agentParts(shape));
  }
  return parts;
}

function agentParts(shape) {
  const agent = shape.agent ?? 0;
  const parts = [];
  if (shape.tone && shape.tone !== "plain") parts.push(s("circle", { class: "halo", r: 18 }));
  if (shape.heading) {
    parts.push(s("path", { class: "nose", d: "M0 -19L7 -8H-7Z", transform: `rotate(${TURNS[shape.heading]})` }));
  }
  const body = s("g", { class: `agent-${agent % PALETTE}` }, s("path", { class: "body", d: markPath(agent, 13) }));
  const lower = shape.note ? -4 : 0;
  body.append(s("text", { y: markMiddle(agent, 1.3) + lower, "font-size": shape.note ? 11 : 14 }, shape.label ?? String(agent)));
  if (shape.note) body.append(s("text", { y: 6.5 + markMiddle(agent), "font-size": 9 }, shape.note));
  parts.push(body);
  if (shape.tone === "fault") parts.push(s("text", { class: "fault-mark", x: 14, y: -13, "font-size": 16 }, "!"));
  return parts;
}
