// Stepping through a computational graph: forward through the values, then back through the
// adjoints. The data stands in the element #data; the picture is already drawn.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const svg = document.querySelector("#picture svg");
const view = find("view");
const nodes = data.nodes.map((_, i) => find("n" + i));
const edges = data.edges.map((_, i) => find("e" + i));
const incoming = data.nodes.map(() => []);
const outgoing = data.nodes.map(() => []);
data.edges.forEach((edge, i) => {
  incoming[edge.target].push(i);
  outgoing[edge.source].push(i);
});

// The steps: every node forwards, then every node that has an adjoint backwards.
const backwards = data.nodes.map((_, i) => i).filter((i) => data.nodes[i].adjoint !== null).reverse();
const total = data.nodes.length + backwards.length;
let position = total;
let timer = null;

function current() {
  if (position === 0) return null;
  if (position <= data.nodes.length) return { node: position - 1, back: false };
  return { node: backwards[position - data.nodes.length - 1], back: true };
}

let marked = [];

function show() {
  for (const element of marked) element.classList.remove("current");
  marked = [];
  const reached = new Set(backwards.slice(0, Math.max(0, position - data.nodes.length)));
  nodes.forEach((element, i) => {
    element.classList.toggle("waiting", i >= position);
    const adjoint = element.querySelector(".adjoint");
    if (adjoint) adjoint.classList.toggle("waiting", !reached.has(i));
  });
  const now = current();
  if (now) {
    marked = [nodes[now.node], ...(now.back ? outgoing : incoming)[now.node].map((i) => edges[i])];
    for (const element of marked) element.classList.add("current");
  }
  const forward = Math.min(position, data.nodes.length);
  const back = Math.max(0, position - data.nodes.length);
  find("status").textContent = back
    ? `backward ${back} of ${backwards.length}`
    : `forward ${forward} of ${data.nodes.length}`;
  find("slider").value = position;
  find("first").disabled = find("previous").disabled = position === 0;
  find("last").disabled = find("next").disabled = position === total;
  if (now) reveal(now.node);
  if (now) describe(now.node, now.back);
  else find("panel").replaceChildren(heading("Nothing is computed yet"), text("p", "Step forward."));
}

function text(kind, content, className) {
  const made = document.createElement(kind);
  made.textContent = content;
  if (className) made.className = className;
  return made;
}

function heading(content) {
  return text("h2", content);
}

function describe(i, back) {
  const node = data.nodes[i];
  const list = document.createElement("dl");
  const add = (term, content) => {
    if (content) list.append(text("dt", term), text("dd", content));
  };
  add("operation", node.formula || "input");
  add("value", node.value);
  const parts = [heading(node.name)];
  if (back || position === total) {
    add("∂" + data.result + "/∂" + node.name, node.adjoint === null ? "0" : node.adjoint);
  }
  add("line", node.line ? node.line + ": " + node.source : "");
  parts.push(list);
  if (back) {
    const terms = outgoing[i].filter((k) => data.edges[k].amount !== null);
    if (terms.length) {
      parts.push(heading(terms.length === 1 ? "Its derivative comes from" : "Its derivative is the sum of"));
      for (const k of terms) parts.push(text("p", data.edges[k].title, "term"));
    } else {
      parts.push(text("p", "The output's derivative by itself is 1."));
    }
  }
  if (node.group !== null) {
    const group = data.groups[node.group];
    const button = text("button", `Fold the ${group.members.length} steps of line ${group.line}`);
    button.id = "fold";
    button.addEventListener("click", () => fold(node.group));
    parts.push(button);
  }
  find("panel").replaceChildren(...parts);
}

function go(to) {
  position = Math.max(0, Math.min(total, to));
  show();
}

function play() {
  if (timer !== null) return pause();
  if (position === total) position = 0;
  find("play").textContent = "Pause";
  timer = setInterval(() => {
    go(position + 1);
    if (position === total) pause();
  }, Math.max(30, Math.min(700, 20000 / total)));
}

function pause() {
  clearInterval(timer);
  timer = null;
  find("play").textContent = "Play";
}

// ------------------------------------------------------------------ folding

const folded = new Map();

function fold(groupNumber) {
  const group = data.groups[groupNumber];
  const members = new Set(group.members);
  const x = group.members.reduce((sum, i) => sum + data.nodes[i].x, 0) / group.members.length;
  const y = group.members.reduce((sum, i) => sum + data.nodes[i].y, 0) / group.members.length;
  const made = element("g", { class: "folded-box", transform: `translate(${x} ${y})` });
  const box = element("rect", { x: -84, y: -29, width: 168, height: 58, rx: 6 });
  const first = element("text", { class: "name", y: -4, "text-anchor": "middle" });
  first.textContent = `line ${group.line}: ${members.size} steps`;
  const second = element("text", { y: 14, "text-anchor": "middle" });
  second.textContent = "select to unfold";
  made.append(box, first, second);
  made.setAttribute("tabindex", "0");
  made.setAttribute("role", "button");
  made.setAttribute("aria-label", `Unfold the ${members.size} steps of line ${group.line}`);
  const lines = [];
  data.edges.forEach((edge, i) => {
    const inside = members.has(edge.source);
    const into = members.has(edge.target);
    if (!inside && !into) return;
    edges[i].classList.add("hidden");
    if (inside && into) return;
    const other = data.nodes[inside ? edge.target : edge.source];
    const from = inside ? { x, y: y + 29 } : { x: other.x, y: other.y + 29 };
    const to = inside ? { x: other.x, y: other.y - 29 } : { x, y: y - 29 };
    const line = element("g", { class: "edge" });
    line.append(element("path", { d: `M${from.x} ${from.y}L${to.x} ${to.y}`, "marker-end": "url(#tip)" }));
    lines.push(line);
  });
  for (const i of members) nodes[i].classList.add("hidden");
  const unfold = () => {
    made.remove();
    lines.forEach((line) => line.remove());
    folded.delete(groupNumber);
    refresh();
  };
  made.addEventListener("click", unfold);
  made.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); unfold(); }
  });
  view.append(...lines, made);
  folded.set(groupNumber, members);
  made.focus();
}

function refresh() {
  const hidden = new Set([...folded.values()].flatMap((members) => [...members]));
  nodes.forEach((node, i) => node.classList.toggle("hidden", hidden.has(i)));
  data.edges.forEach((edge, i) => {
    edges[i].classList.toggle("hidden", hidden.has(edge.source) || hidden.has(edge.target));
  });
}

function element(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// ------------------------------------------------------------------ zooming

// Of a large picture only what can be seen is in the document (`cull` sees to it): a browser lays out
// all that is there at each move, what is not displayed too. Edges and nodes have a group each, so
// that nodes stay above.
const large = data.nodes.length > 400;
const layers = { edges: element("g", {}), nodes: element("g", {}) };
const drawn = { nodes: nodes.map(() => false), edges: edges.map(() => false) };
if (large) {
  for (const made of [...edges, ...nodes]) made.remove();
  view.append(layers.edges, layers.nodes);
}

let size = svg.getBoundingClientRect(); // asked for again only when it may have changed: that takes time
let scale = 1;
let left = 0;
let top_ = 0;

function place() {
  view.setAttribute("transform", `translate(${left} ${top_}) scale(${scale})`);
  svg.classList.toggle("far", scale < 0.3);
  if (large) cull();
}

// Takes in what can be seen, and out what cannot.
function cull() {
  const { width, height } = size;
  const room = 400;
  const whole = scale < 0.3;
  const from = { x: -left / scale - room, y: -top_ / scale - room };
  const to = { x: (width - left) / scale + room, y: (height - top_) / scale + room };
  const meets = (a, b) => whole
    || (Math.max(a.x, b.x) > from.x && Math.min(a.x, b.x) < to.x
      && Math.max(a.y, b.y) > from.y && Math.min(a.y, b.y) < to.y);
  const set = (kind, made, i, seen) => {
    if (drawn[kind][i] === seen) return;
    drawn[kind][i] = seen;
    if (seen) layers[kind].append(made);
    else made.remove();
  };
  data.nodes.forEach((node, i) => set("nodes", nodes[i], i, meets(node, node)));
  data.edges.forEach((edge, i) =>
    set("edges", edges[i], i, meets(data.nodes[edge.source], data.nodes[edge.target])));
}

// Below this one cannot read a node; steps are shown larger then.
const readable = 0.35;

// Shows all of the graph, however small.
function fit() {
  const { width, height } = size;
  scale = Math.min(1.5, (width - 24) / data.width, (height - 24) / data.height);
  left = (width - data.width * scale) / 2;
  top_ = Math.max(12, (height - data.height * scale) / 2);
  place();
}

// Shows all of a small graph, and of a large one what is around the current node.
function arrange() {
  size = svg.getBoundingClientRect();
  fit();
  const now = current();
  if (now) reveal(now.node);
}

function zoom(factor, x, y) {
  const { width, height } = size;
  x = x === undefined ? width / 2 : x;
  y = y === undefined ? height / 2 : y;
  const wanted = Math.max(0.001, Math.min(4, scale * factor));
  left = x - (x - left) * (wanted / scale);
  top_ = y - (y - top_) * (wanted / scale);
  scale = wanted;
  place();
}

// Moves the picture when the current node is outside of it, or too small to be read.
function reveal(i) {
  const { width, height } = size;
  const small = scale < readable;
  if (small) scale = 0.8;
  const x = left + data.nodes[i].x * scale;
  const y = top_ + data.nodes[i].y * scale;
  if (!small && x > 40 && x < width - 40 && y > 20 && y < height - 20) return;
  left += width / 2 - x;
  top_ += height / 2 - y;
  place();
}

svg.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = svg.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

const pointers = new Map();
let spread = 0;
svg.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, event);
  spread = 0;
});
addEventListener("pointerup", (event) => pointers.delete(event.pointerId));
addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
svg.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  pointers.set(event.pointerId, event);
  if (pointers.size === 1) {
    left += event.clientX - before.clientX;
    top_ += event.clientY - before.clientY;
    place();
    return;
  }
  const [a, b] = [...pointers.values()];
  const apart = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  const box = svg.getBoundingClientRect();
  if (spread) {
    zoom(apart / spread, (a.clientX + b.clientX) / 2 - box.left, (a.clientY + b.clientY) / 2 - box.top);
  }
  spread = apart;
});

// ------------------------------------------------------------------ controls

nodes.forEach((element, i) => {
  element.addEventListener("click", () => describe(i, data.nodes[i].adjoint !== null && position === total));
});
find("first").addEventListener("click", () => go(0));
find("previous").addEventListener("click", () => go(position - 1));
find("next").addEventListener("click", () => go(position + 1));
find("last").addEventListener("click", () => go(total));
find("play").addEventListener("click", play);
find("slider").max = total;
find("slider").addEventListener("input", (event) => go(Number(event.target.value)));
find("in").addEventListener("click", () => zoom(1.25));
find("out").addEventListener("click", () => zoom(0.8));
find("fit").addEventListener("click", fit);
addEventListener("keydown", (event) => {
  if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    ArrowRight: () => go(position + 1),
    ArrowLeft: () => go(position - 1),
    Home: () => go(0),
    End: () => go(total),
    "+": () => zoom(1.25),
    "-": () => zoom(0.8),
    0: fit,
  };
  const action = actions[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});
addEventListener("resize", arrange);
if (large) scale = 0.8;
else fit();
place();
show();
