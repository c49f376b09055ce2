// settings: points, labels, unit (drawing units for one of the plane), width and height of the plane, arrow, longest
const {labels, unit} = settings, N = labels.length;
const marks = [...document.querySelectorAll(".mark")], svg = document.querySelector("svg");
const [lines, rings] = [".lines", ".rings"].map((name) => document.querySelector(name));
const select = document.querySelector("select"), slider = document.querySelector("input[type=range]");
const status = document.querySelector("[role=status]"), runs = document.querySelector("[data-do=run]");
let points = settings.points.map((point) => [...point]), chosen = null, held = null, clock = null;

const minus = (a, b) => [a[0] - b[0], a[1] - b[1]];
const length = (v) => Math.hypot(v[0], v[1]);
const distance = (i, j) => length(minus(points[i], points[j]));
const others = (i, same) => [...labels.keys()].filter((j) => j !== i && (labels[j] === labels[i]) === same);
const extreme = (i, among, sign) => among.reduce((best, j) => sign * distance(i, j) > sign * distance(i, best) ? j : best);

// The loss of the batch, minus its gradient at each point, and which pairs [i, j, kind] take part in it.
function compute() {
  const kind = select.value, margin = Number(slider.value), forces = points.map(() => [0, 0]), active = [];
  let value = 0, counted = 0, all = 0;
  const along = (i, j, weight, acting) => {  // the loss grows by `weight` for each unit that i and j are further apart
    const d = distance(i, j), step = minus(points[i], points[j]);
    active.push([i, j, acting]);
    if (d === 0) return;  // no direction
    for (const axis of [0, 1]) {
      forces[i][axis] -= weight * step[axis] / d;
      forces[j][axis] += weight * step[axis] / d;
    }
  };
  if (kind === "slide" || kind === "hadsell") {
    const pairs = [];
    for (let i = 0; i < N; i++) for (let j = i + 1; j < N; j++) pairs.push([i, j, labels[i] === labels[j]]);
    const genuine = pairs.filter((pair) => pair[2]).length;
    all = pairs.length - genuine;
    for (const [i, j, same] of pairs) {
      const d = distance(i, j), share = 1 / (same ? genuine : all), lack = Math.max(0, margin - d);
      if (same) {
        value += share * (kind === "slide" ? d : d * d) / 2;
        along(i, j, share * (kind === "slide" ? 0.5 : d), "pull");
      } else if (lack > 0) {
        counted += 1;
        value += share * (kind === "slide" ? lack : lack * lack) / 2;
        along(i, j, -share * (kind === "slide" ? 0.5 : lack), "push");
      }
    }
  } else {
    const triplets = [];
    for (const a of labels.keys()) {
      const same = others(a, true), different = others(a, false);
      if (!same.length || !different.length) continue;
      if (kind === "all") for (const p of same) for (const n of different) triplets.push([a, p, n]);
      else triplets.push([a, extreme(a, same, 1), extreme(a, different, -1)]);
    }
    all = triplets.length;
    for (const [a, p, n] of triplets) {
      const near = distance(a, p), far = distance(a, n), squared = kind === "squared";
      const excess = squared ? near * near - far * far : near - far;
      const slope = kind === "soft" ? 1 / (1 + Math.exp(-excess)) : Number(margin + excess > 0);
      value += (kind === "soft" ? Math.log1p(Math.exp(-Math.abs(excess))) + Math.max(0, excess)
                                : Math.max(0, margin + excess)) / all;
      if (slope < 0.02) continue;
      counted += 1;
      along(a, p, slope * (squared ? 2 * near : 1) / all, "pull");
      along(a, n, -slope * (squared ? 2 * far : 1) / all, "push");
    }
  }
  return {kind, margin, value, forces, active, counted, all};
}

const drawn = (name, attributes) => {
  const element = document.createElementNS(svg.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

// A line along a force, with two barbs at its tip.
function arrow(force) {
  const size = length(force), far = Math.min(settings.longest, settings.arrow * size) * unit;
  if (far < 2) return "";
  const [x, y] = [force[0] / size, -force[1] / size], tip = `L${far * x} ${far * y}`;
  const [left, other] = [-5.5, 5.5].map((side) => `${(far - 9.4) * x - side * y} ${(far - 9.4) * y + side * x}`);
  return `M0 0${tip}M${left}${tip}L${other}`;
}

function show() {
  const now = compute(), contrastive = now.kind === "slide" || now.kind === "hadsell";
  marks.forEach((mark, k) => {
    const [x, y] = points[k];
    mark.setAttribute("transform", `translate(${x * unit} ${-y * unit})`);
    mark.classList.toggle("held", k === chosen);
    mark.querySelector(".arrow").setAttribute("d", arrow(now.forces[k].map((part) => part * N)));
  });
  lines.replaceChildren(...now.active.map(([i, j, kind]) => drawn("line", {
    class: kind, x1: points[i][0] * unit, y1: -points[i][1] * unit, x2: points[j][0] * unit, y2: -points[j][1] * unit})));
  rings.replaceChildren(...(chosen === null ? [] : radii(now, contrastive)).map(([radius, name]) => drawn("circle", {
    class: name, cx: points[chosen][0] * unit, cy: -points[chosen][1] * unit, r: radius * unit})));
  document.querySelector(".loss").textContent = now.value.toFixed(2);
  document.querySelector(".margin").textContent = now.margin.toFixed(1);
  slider.setAttribute("aria-valuetext", now.margin.toFixed(1));
  slider.disabled = now.kind === "soft";
  const what = contrastive ? "impostor pairs are closer than the margin" : "triplets pull and push";
  const words = `${now.counted} of ${now.all} ${what}.`;
  document.querySelector(".said").textContent = words;
  svg.dataset.forces = JSON.stringify(now.forces);
  svg.dataset.loss = now.value;
  return `loss ${now.value.toFixed(2)}. ${words}`;
}

// Around the chosen point: the margin; for triplets the farthest of its own, and how far the others should be at least.
function radii(now, contrastive) {
  if (contrastive) return [[now.margin, "outer"]];
  const same = others(chosen, true);
  if (!same.length) return [];
  const near = distance(chosen, extreme(chosen, same, 1));
  if (now.kind === "soft") return [[near, "inner"]];
  return [[near, "inner"], [now.kind === "squared" ? Math.sqrt(near * near + now.margin) : near + now.margin, "outer"]];
}

const within = (value, half) => Math.max(-half + 0.2, Math.min(half - 0.2, value));
function place(k, x, y) {
  points[k] = [within(x, settings.width / 2), within(y, settings.height / 2)];
}

function step() {
  const {forces} = compute();
  forces.forEach((force, k) => {
    const rate = Math.min(0.08 * N, 0.4 / Math.max(1e-9, length(force)));
    place(k, points[k][0] + rate * force[0], points[k][1] + rate * force[1]);
  });
  return show();
}

function stop() {
  clearInterval(clock);
  clock = null;
  runs.textContent = "Run";
  runs.setAttribute("aria-pressed", "false");
}

const actions = {
  step: () => { stop(); status.textContent = step(); },
  run: () => {
    if (clock) { stop(); status.textContent = show(); return; }
    clock = setInterval(step, 60);
    runs.textContent = "Stop";
    runs.setAttribute("aria-pressed", "true");
  },
  squeeze: () => {  // nearly one point; by the golden angle, so that it is the same each time
    stop();
    points = points.map((_, k) => [0.02 * Math.cos(2.4 * k), 0.02 * Math.sin(2.4 * k)]);
    status.textContent = show();
  },
  again: () => {
    stop();
    points = settings.points.map((point) => [...point]);
    chosen = null;
    status.textContent = show();
  },
};
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
for (const input of [select, slider]) input.addEventListener("input", () => { status.textContent = show(); });

function position(event) {
  const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [place.x / unit, -place.y / unit];
}
marks.forEach((mark, k) => {
  mark.addEventListener("pointerdown", (event) => {
    held = k;
    chosen = k;
    mark.setPointerCapture?.(event.pointerId);
    mark.focus();
    event.preventDefault();
    show();
  });
  mark.addEventListener("pointermove", (event) => {
    if (held !== k) return;
    place(k, ...position(event));
    show();
  });
  for (const name of ["pointerup", "pointercancel"]) mark.addEventListener(name, () => { held = null; });
  mark.addEventListener("focus", () => { chosen = k; show(); });
  mark.addEventListener("keydown", (event) => {
    const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
    if (!move) return;
    const far = event.shiftKey ? 0.5 : 0.1;
    chosen = k;
    place(k, points[k][0] + far * move[0], points[k][1] + far * move[1]);
    event.preventDefault();
    status.textContent = show();
  });
});
show();
