"use strict";
(async () => {
  const held = document.getElementById("data");
  const data = JSON.parse(held.type.endsWith("gzip") ? await unzip(held.textContent) : held.textContent);

  // The data of a large page are compressed.
  async function unzip(letters) {
    const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  const at = (id) => document.getElementById(id);
  const say = (message, values = {}) =>
    data.words[message].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const wordsOf = (role) => data.roles[role] || role.replace("_", " ");
  const stage = at("stage"), sheet = at("sheet"), tip = at("facts"), search = at("search");
  const SPACE = 24, LARGEST = 8, SMALLEST = 0.02, READABLE = 0.8, AROUND = 70, STEP = 60, SECONDS = 1.6;
  const POINT = 4 / 3, PAD = 10, STRIP = 18, LETTER = 6.2, NEAR = 2, BEND = 14, NAMED = 4, CAPTION = 13;
  const NEURONS = ["neuron", "feature", "prediction", "bias"], LEAVES = ["input", "parameter"];
  const NAMESPACE = "http://www.w3.org/2000/svg";
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const flat = data.levels[0].scopes !== undefined; // no levels: one picture, or states of folding
  const across = data.direction === "LR";
  const up = data.levels.map(() => null); // level → [the level around it, the box there]
  data.levels.forEach((level, number) => {
    for (const [id, child] of Object.entries(level.opens)) up[child] = [number, id];
  });

  let root = 0;              // the level that is shown as a whole
  let open = new Set(data.open);
  let svg, prefix = "";      // the drawing, and what the ids in it begin with
  let boxes = new Map();     // name of a box that is shown → { level, id, words, role, facts, same, group }
  let frames = new Map();    // name of a scope that is open → { level, id, words, group }
  let edges = [];            // { tail, head, group, level, place }
  let before = new Map(), after = new Map(); // name → names that an arrow joins it with
  let windows = [];          // what comes and goes with the steps of numbers
  let view = { x: 0, y: 0, k: 1 };
  let hits = [], hit = -1, lit = [], here = null, chosen = null;
  let film = [], timer = 0;

  const nameOf = (level, id) => (flat ? id : `L${level}-${id}`);
  const make = (tag, attributes, parent) => {
    const element = document.createElementNS(NAMESPACE, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (parent) parent.append(element);
    return element;
  };
  const numbers = (text) => (text.match(/-?\d+(?:\.\d+)?(?:e-?\d+)?/g) || []).map(Number);
  const pairs = (list) => list.reduce((all, x, i) => (i % 2 ? all.at(-1).push(x) : all.push([x]), all), []);

  // ── the geometry of a drawing ────────────────────────────────────────────────────────────
  const shapes = new Map();

  function shapeOf(drawing) {
    if (shapes.has(drawing)) return shapes.get(drawing);
    const parsed = new DOMParser().parseFromString(data.drawings[drawing], "image/svg+xml");
    const graph = parsed.documentElement.querySelector("g.graph");
    const shape = { boxes: new Map(), edges: new Map(), loops: new Map() };
    for (const group of graph.querySelectorAll("g.node")) {
      shape.boxes.set(group.id, { group, ...rectangle(group) });
    }
    for (const group of graph.querySelectorAll("g.edge")) {
      const path = group.querySelector("path");
      if (group.id.startsWith("loop")) shape.loops.set(Number(group.id.slice(4)), group);
      else if (path) shape.edges.set(Number(group.id.slice(1)), { group, points: pairs(numbers(path.getAttribute("d"))) });
    }
    shapes.set(drawing, shape);
    return shape;
  }

  function rectangle(group) {
    const xs = [], ys = [];
    for (const element of group.querySelectorAll("polygon, path, polyline, ellipse")) {
      if (element.localName === "ellipse") {
        const [cx, cy, rx, ry] = ["cx", "cy", "rx", "ry"].map((name) => Number(element.getAttribute(name)));
        xs.push(cx - rx, cx + rx);
        ys.push(cy - ry, cy + ry);
      } else {
        for (const [x, y] of pairs(numbers(element.getAttribute("points") || element.getAttribute("d")))) {
          xs.push(x);
          ys.push(y);
        }
      }
    }
    return { x0: Math.min(...xs), x1: Math.max(...xs), y0: Math.min(...ys), y1: Math.max(...ys) };
  }

  // A function that makes room: each part [from, to, length] becomes at least as long as that.
  function stretch(parts) {
    const marks = [...new Set(parts.flatMap(([from, to]) => [from, to]))].sort((a, b) => a - b);
    const lengths = marks.slice(1).map((mark, i) => mark - marks[i]);
    for (const [from, to, wanted] of [...parts].sort((a, b) => b[2] - a[2])) {
      const [first, last] = [marks.indexOf(from), marks.indexOf(to)];
      const have = lengths.slice(first, last).reduce((sum, x) => sum + x, 0);
      if (have < wanted) for (let i = first; i < last; i++) lengths[i] *= wanted / have;
    }
    const ends = [marks[0]];
    for (const length of lengths) ends.push(ends.at(-1) + length);
    return (x) => {
      if (!marks.length || x <= marks[0]) return x;
      let i = 0;
      while (i < lengths.length && x > marks[i + 1]) i++;
      if (i === lengths.length) return ends[i] + x - marks[i];
      return ends[i] + ((x - marks[i]) * lengths[i]) / (marks[i + 1] - marks[i]);
    };
  }

  // ── putting levels into each other ───────────────────────────────────────────────────────
  // Returns the group of a level, its bounds, and where its ports are.
  function compose(number) {
    const level = data.levels[number], shape = shapeOf(level.drawing);
    const inside = new Map();
    for (const [id, child] of Object.entries(level.opens)) {
      if (open.has(child)) inside.set(id, { number: child, ...compose(child) });
    }
    const parts = [...inside].map(([id, child]) => [shape.boxes.get(id), child]);
    const fx = stretch(parts.map(([box, child]) => [box.x0, box.x1, child.width]));
    const fy = stretch(parts.map(([box, child]) => [box.y0, box.y1, child.height]));
    const places = placeBoxes(level, shape, inside, fx, fy);
    const group = make("g", { class: "level" });
    const bounds = { x0: Infinity, x1: -Infinity, y0: Infinity, y1: -Infinity };
    const include = (x, y) => {
      bounds.x0 = Math.min(bounds.x0, x);
      bounds.x1 = Math.max(bounds.x1, x);
      bounds.y0 = Math.min(bounds.y0, y);
      bounds.y1 = Math.max(bounds.y1, y);
    };
    for (const place of places.values()) {
      include(place.x0, place.y0);
      include(place.x1, place.y1);
    }
    for (const [id, child] of inside) group.append(frameScope(child, places.get(id)));
    level.arrows.forEach((arrow, place) => {
      const edge = shape.edges.get(place);
      if (edge) group.append(drawArrow(number, place, arrow, edge, { shape, places, inside, fx, fy, include }));
    });
    for (const [id, box] of shape.boxes) {
      if (inside.has(id)) continue;
      const copy = document.importNode(box.group, true), place = places.get(id);
      copy.id = nameOf(number, id);
      write(copy, (level.texts || {})[id]);
      if (place.dx || place.dy) copy.setAttribute("transform", `translate(${round(place.dx)} ${round(place.dy)})`);
      group.append(copy);
      enlist(number, id, copy);
    }
    level.loops.forEach((id, place) => { // from round to round, at the box of all rounds
      const loop = shape.loops.get(place);
      if (!loop || inside.has(id)) return;
      const copy = document.importNode(loop, true), box = places.get(id);
      copy.id = nameOf(number, loop.id);
      copy.setAttribute("transform", `translate(${round(box.dx)} ${round(box.dy)})`);
      const { x0, x1, y0, y1 } = rectangle(loop);
      include(x0 + box.dx, y0 + box.dy);
      include(x1 + box.dx, y1 + box.dy);
      for (const text of loop.querySelectorAll("text")) {
        const half = (text.textContent.length * LETTER) / 2;
        include(Number(text.getAttribute("x")) + half + box.dx, Number(text.getAttribute("y")) + box.dy);
      }
      group.append(copy);
    });
    const ports = { entry: new Map(), exit: new Map() };
    for (const side of ["entry", "exit"]) {
      for (const [tensor, id] of Object.entries((level.ports || {})[side] || {})) {
        ports[side].set(Number(tensor), { id, ...middleOf(places.get(id)) });
      }
    }
    const caption = level.name.length * LETTER + 2 * PAD;
    const width = Math.max(bounds.x1 - bounds.x0 + 2 * PAD, caption);
    const height = bounds.y1 - bounds.y0 + 2 * PAD + STRIP;
    return { group, bounds, ports, width, height };
  }

  // Write the texts of a box or an arrow that differ from those of the drawing.
  function write(group, lines = []) {
    const texts = group.querySelectorAll("text");
    lines.forEach((line, i) => { if (line !== undefined && texts[i]) texts[i].textContent = line; });
  }

  const round = (x) => Math.round(x * 100) / 100;
  const middleOf = (box) => ({ x: (box.x0 + box.x1) / 2, y: (box.y0 + box.y1) / 2 });

  function placeBoxes(level, shape, inside, fx, fy) {
    const places = new Map();
    for (const [id, box] of shape.boxes) {
      const child = inside.get(id), { x, y } = middleOf(box);
      const centre = child
        ? { x: (fx(box.x0) + fx(box.x1)) / 2, y: (fy(box.y0) + fy(box.y1)) / 2 }
        : { x: fx(x), y: fy(y) };
      const half = child ? [child.width / 2, child.height / 2] : [(box.x1 - box.x0) / 2, (box.y1 - box.y0) / 2];
      places.set(id, put(centre, half, { x, y }));
    }
    if (!inside.size) return places;
    const leaving = new Map();
    for (const [tail] of level.arrows) leaving.set(tail, (leaving.get(tail) || 0) + 1);
    for (const [tail, head] of level.arrows) { // a leaf at the side of its operation stays there
      const leaf = shape.boxes.get(tail), box = shape.boxes.get(head);
      const known = level.boxes[tail];
      if (!known || !LEAVES.includes(known[1]) || leaving.get(tail) > 1 || inside.has(head)) continue;
      const [a, b] = [middleOf(leaf), middleOf(box)], { dx, dy } = places.get(head);
      if (Math.abs(across ? a.x - b.x : a.y - b.y) > NEAR) continue;
      const half = [(leaf.x1 - leaf.x0) / 2, (leaf.y1 - leaf.y0) / 2];
      places.set(tail, { ...put({ x: a.x + dx, y: a.y + dy }, half, a), beside: head });
    }
    return places;
  }

  function put(centre, [width, height], from) {
    const [x0, x1] = [centre.x - width, centre.x + width], [y0, y1] = [centre.y - height, centre.y + height];
    return { x0, x1, y0, y1, dx: centre.x - from.x, dy: centre.y - from.y };
  }

  function frameScope(child, place) {
    const { number, group, bounds, ports } = child, level = data.levels[number];
    const frame = make("g", { class: "scope" });
    const cluster = make("g", { class: "cluster viz-scope", id: `L${number}` }, frame);
    const look = { x: round(place.x0), y: round(place.y0), width: round(place.x1 - place.x0), height: round(place.y1 - place.y0) };
    make("rect", { ...look, rx: 9, class: "ground" }, cluster);
    const dx = (place.x0 + place.x1 - bounds.x0 - bounds.x1) / 2, dy = place.y0 + PAD + STRIP - bounds.y0;
    group.setAttribute("transform", `translate(${round(dx)} ${round(dy)})`);
    for (const side of Object.values(ports)) {
      for (const port of side.values()) {
        port.x += dx;
        port.y += dy;
      }
    }
    // The caption stands at the left, or at the right where lines enter at the left.
    const length = level.name.length * LETTER + 2 * PAD, lines = [...ports.entry.values()].map((port) => port.x);
    if (lines.length) lines.push((place.x0 + place.x1) / 2);
    const right = !across && Math.min(...lines) < place.x0 + length && Math.max(...lines) < place.x1 - length;
    const text = make("text", {
      x: round(right ? place.x1 - 9 : place.x0 + 9), y: round(place.y0 + 14), "font-size": 11,
      "text-anchor": right ? "end" : "start", fill: data.look.outside,
    }, cluster);
    text.textContent = level.name;
    frame.append(group);
    frames.set(`L${number}`, { level: up[number][0], id: up[number][1], number, words: level.name, group: cluster });
    return frame;
  }

  // An arrow between boxes that may have moved, or that opened; then it ends in a port.
  function drawArrow(number, place, [tail, head, carries = []], edge, { shape, places, inside, fx, fy, include }) {
    const port = (id, side) => {
      const child = inside.get(id);
      return child && carries.map((tensor) => child.ports[side].get(tensor)).find(Boolean);
    };
    const out = port(tail, "exit"), into = port(head, "entry");
    const far = (p, id) => {
      const box = shape.boxes.get(id);
      return Math.hypot(Math.max(box.x0 - p[0], 0, p[0] - box.x1), Math.max(box.y0 - p[1], 0, p[1] - box.y1));
    };
    const first = edge.points[0], last = edge.points.at(-1);
    const turned = far(first, head) + far(last, tail) < far(first, tail) + far(last, head);
    const copy = document.importNode(edge.group, true);
    copy.id = nameOf(number, `e${place}`);
    write(copy, [(data.levels[number].labels || {})[place]]);
    const beside = places.get(tail).beside === head;
    const shift = places.get(head);
    const isPort = (id) => !data.levels[number].boxes[id] && shape.boxes.get(id).group.matches(".entry, .exit");
    if (inside.size || isPort(tail) || isPort(head)) {
      const moved = beside
        ? edge.points.map(([x, y]) => [x + shift.dx, y + shift.dy])
        : edge.points.map(([x, y]) => [fx(x), fy(y)]);
      if (!beside) {
        const ends = [[tail, out], [head, into]];
        if (turned) ends.reverse();
        endAt(moved, edge.points, ...ends[0], true, shape, places, inside);
        endAt(moved, edge.points, ...ends[1], false, shape, places, inside);
      }
      for (const [id, end] of [[tail, turned ? moved.length - 1 : 0], [head, turned ? 0 : moved.length - 1]]) {
        const { x, y } = middleOf(places.get(id));
        if (isPort(id)) moved[end] = [x, y]; // so that the line has no gap
      }
      const [start, ...rest] = moved.map(([x, y]) => `${round(x)},${round(y)}`);
      copy.querySelector("path").setAttribute("d", `M${start}C${rest.join(" ")}`);
      moved.forEach(([x, y]) => include(x, y));
      const tip = copy.querySelector("polygon");
      if (tip && inside.has(head)) tip.remove();
      else if (tip) tip.setAttribute("transform", `translate(${round(shift.dx)} ${round(shift.dy)})`);
    } else edge.points.forEach(([x, y]) => include(x, y));
    for (const text of copy.querySelectorAll("text")) {
      const [x, y] = [Number(text.getAttribute("x")), Number(text.getAttribute("y"))];
      const there = beside ? [x + shift.dx, y + shift.dy] : [fx(x), fy(y)];
      text.setAttribute("x", round(there[0]));
      text.setAttribute("y", round(there[1]));
      include(there[0] + (text.textContent.length * LETTER) / 2, there[1]);
      include(there[0] - (text.textContent.length * LETTER) / 2, there[1]);
    }
    const [child, other] = [inside.get(tail), inside.get(head)];
    join(
      child && out ? nameOf(child.number, out.id) : nameOf(number, tail),
      other && into ? nameOf(other.number, into.id) : nameOf(number, head),
      { group: copy, level: number, place },
    );
    return copy;
  }

  // Move one end of an arrow to where its box, or the port of its scope, now is.
  function endAt(moved, points, id, port, isFirst, shape, places, inside) {
    const old = isFirst ? points[0] : points.at(-1), end = isFirst ? 0 : moved.length - 1;
    const box = shape.boxes.get(id), place = places.get(id), centre = middleOf(box), now = middleOf(place);
    const target = port
      ? [port.x, port.y]
      : inside.has(id)
        ? [Math.min(Math.max(moved[end][0], place.x0), place.x1), Math.min(Math.max(moved[end][1], place.y0), place.y1)]
        : [now.x + old[0] - centre.x, now.y + old[1] - centre.y];
    const delta = [target[0] - moved[end][0], target[1] - moved[end][1]];
    const near = isFirst ? 1 : end - 1;
    if (Math.hypot(...delta) < NEAR) {
      for (const i of [end, near]) moved[i] = [moved[i][0] + delta[0], moved[i][1] + delta[1]];
      return;
    }
    const side = !across === (Math.abs(old[0] - box.x0) < NEAR || Math.abs(old[0] - box.x1) < NEAR) &&
      Math.min(Math.abs(old[1] - box.y0), Math.abs(old[1] - box.y1)) > NEAR;
    const along = across !== side ? 0 : 1;
    const away = Math.sign(old[along] - (along ? centre.y : centre.x)) * BEND;
    for (const i of [end, near]) moved[i] = moved[i].map((x, axis) => (axis === along ? x + away : x));
    const from = moved[end], half = (from[along] + target[along]) / 2;
    const handle = (p) => p.map((x, axis) => (axis === along ? half : x));
    const bend = [handle(from), handle(target), target];
    if (isFirst) moved.unshift(...bend.reverse());
    else moved.push(...bend);
  }

  function join(tail, head, edge) {
    edges.push({ tail, head, ...edge });
    if (!before.has(head)) before.set(head, []);
    if (!after.has(tail)) after.set(tail, []);
    before.get(head).push(tail);
    after.get(tail).push(head);
  }

  function enlist(number, id, group) {
    const known = data.levels[number].boxes[id];
    if (!known) return;
    const [words, role, facts, same = []] = known;
    boxes.set(nameOf(number, id), { level: number, id, words, role, facts, same, group });
  }

  // ── drawing ──────────────────────────────────────────────────────────────────────────────
  function draw() {
    const kept = film.length && Number(slider.value) < film.length ? film[Number(slider.value)] : null;
    boxes = new Map();
    frames = new Map();
    edges = [];
    before = new Map();
    after = new Map();
    lit = [];
    if (flat) drawState();
    else {
      const { group, bounds } = compose(0);
      writeCaption(group, bounds);
      const [x, y] = [bounds.x0 - PAD, bounds.y0 - PAD];
      const [width, height] = [bounds.x1 - bounds.x0 + 2 * PAD, bounds.y1 - bounds.y0 + 2 * PAD];
      svg = make("svg", {
        viewBox: [x, y, width, height].map(round).join(" "), width: round(width * POINT), height: round(height * POINT),
      });
      svg.append(group);
      boxes = new Map([...boxes].sort((a, b) => a[1].level - b[1].level)); // outer ones first
      windows = [];
    }
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", data.title);
    svg.setAttribute("aria-description", data.description);
    svg.removeAttribute("aria-labelledby");
    for (const name of boxes.keys()) prepareBox(name);
    for (const name of frames.keys()) prepareFrame(name);
    sheet.replaceChildren(svg);
    settle(boxes.has(here) || frames.has(here) ? here : boxes.keys().next().value);
    at("back").disabled = root === 0 && data.open.length === open.size && data.open.every((x) => open.has(x));
    film = timeline();
    at("player").hidden = !film.length;
    slider.max = film.length;
    paint();
    const again = kept ? film.findIndex((frame) => isSame(frame, kept)) : -1;
    goTo(again >= 0 ? again : film.length, false);
  }

  // The author's text below the graph.
  function writeCaption(group, bounds) {
    if (!data.caption.length) return;
    const middle = (bounds.x0 + bounds.x1) / 2, widest = Math.max(...data.caption.map((line) => line.length));
    bounds.y1 += PAD;
    for (const line of data.caption) {
      bounds.y1 += CAPTION * 1.4;
      make("text", {
        x: round(middle), y: round(bounds.y1 - CAPTION * 0.4), "font-size": CAPTION, "text-anchor": "middle", fill: data.look.outside,
      }, group).textContent = line;
    }
    const half = (widest * LETTER * CAPTION) / 11 / 2;
    bounds.x0 = Math.min(bounds.x0, middle - half);
    bounds.x1 = Math.max(bounds.x1, middle + half);
  }

  function drawState() {
    const state = data.levels[root];
    const parsed = new DOMParser().parseFromString(data.drawings[state.drawing], "image/svg+xml").documentElement;
    svg = document.importNode(parsed, true);
    prefix = svg.id;
    svg.querySelectorAll("title").forEach((title) => title.remove());
    for (const group of svg.querySelectorAll("g[id]")) group.id = group.id.slice(prefix.length + 1);
    const found = new Map([...svg.querySelectorAll("g[id]")].map((group) => [group.id, group]));
    for (const id of Object.keys(state.boxes)) if (found.has(id)) enlist(root, id, found.get(id));
    for (const [id, words] of Object.entries(state.captions)) {
      if (found.has(id) && state.next[state.scopes[id]] !== undefined) frames.set(id, { level: root, id, words, group: found.get(id) });
    }
    state.arrows.forEach(([tail, head], place) => {
      join(tail, head, { group: found.get(`e${place}`) || make("g", {}), level: root, place });
    });
    windows = [...svg.querySelectorAll("[data-from], [data-pale]")].map((element) => ({
      element,
      from: Number(element.dataset.from || 0),
      until: element.dataset.until === undefined ? Infinity : Number(element.dataset.until),
      pale: element.dataset.pale === undefined ? 0 : Number(element.dataset.pale),
    }));
  }

  // Names that arrows lead to or come from, through the ports of open scopes.
  function neighbours(name, ways) {
    const found = new Set(), seen = new Set([name]), waiting = [...(ways.get(name) || [])];
    while (waiting.length) {
      const next = waiting.shift();
      if (seen.has(next)) continue;
      seen.add(next);
      if (boxes.has(next)) found.add(next);
      else waiting.unshift(...(ways.get(next) || [])); // in the order of the operands
    }
    return [...found];
  }

  // What the names of other boxes call a box: short, as a reader says it.
  function spell(name) {
    const { level, id, words, role } = boxes.get(name), child = data.levels[level].opens[id];
    return child === undefined ? words || wordsOf(role) : data.levels[child].name;
  }

  function prepareBox(name) {
    const { group, words, role } = boxes.get(name), opens = leadsTo(name) !== undefined;
    group.classList.toggle("opens", opens);
    group.classList.add("viz-box", `viz-${role.replace("_", "-")}`);
    group.setAttribute("tabindex", "-1");
    group.setAttribute("role", opens ? "button" : "img");
    const feeding = neighbours(name, before), rest = feeding.length - NAMED;
    const listed = feeding.slice(0, rest > 1 ? NAMED : undefined).map(spell);
    if (rest > 1) listed.push(say("{n} more", { n: rest }));
    const last = listed.pop(), names = listed.length ? listed.join(", ") + say(" and ") + last : last;
    group.setAttribute("aria-label", last === undefined
      ? `${wordsOf(role)} ${words}`
      : say("{role} {words}, from {names}", { role: wordsOf(role), words, names }));
    if (opens) group.setAttribute("aria-expanded", "false");
  }

  function prepareFrame(name) {
    const { group, words } = frames.get(name);
    group.classList.add("opens");
    group.setAttribute("tabindex", "-1");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", `${say("scope")} ${words}`);
    group.setAttribute("aria-expanded", "true");
  }

  // What a click on a box or a frame opens or folds: a level, or the state that comes next.
  function leadsTo(name) {
    const known = boxes.get(name) || frames.get(name);
    if (!known) return undefined;
    const level = data.levels[known.level];
    return flat ? level.next[level.scopes[known.id]] : level.opens[known.id];
  }

  function enter(name, focus) {
    const next = leadsTo(name);
    if (next === undefined) return;
    const known = boxes.get(name) || frames.get(name);
    const old = middle(known.group);
    hide();
    let there;
    if (flat) {
      const place = data.levels[known.level].scopes[known.id];
      root = next;
      draw();
      there = Object.keys(data.levels[root].scopes).find((id) => data.levels[root].scopes[id] === place);
    } else {
      const opening = !open.has(next);
      if (opening) open.add(next);
      else open.delete(next);
      draw();
      there = opening ? `L${next}` : nameOf(known.level, known.id);
    }
    const now = boxes.get(there) || frames.get(there);
    if (now) {
      const { x, top } = middle(now.group);
      view.x += old.x - x;
      view.y += old.top - top;
      keepInSight();
      settle(there);
      if (focus) now.group.focus({ preventScroll: true });
    } else start();
    find();
    note();
  }

  // Open all scopes around a box.
  function uncover(level) {
    let changed = false;
    for (let around = level; around; around = up[around][0]) {
      if (!open.has(around)) changed = !!open.add(around);
    }
    if (changed) draw();
    return changed;
  }

  function middle(element) {
    const box = element.getBoundingClientRect();
    return { x: box.left + box.width / 2, y: box.top + box.height / 2, top: box.top };
  }

  // The one box that Tab reaches.
  function settle(name) {
    for (const group of svg.querySelectorAll('[tabindex="0"]')) group.setAttribute("tabindex", "-1");
    here = name;
    const known = boxes.get(name) || frames.get(name);
    if (known) known.group.setAttribute("tabindex", "0");
  }

  // ── moving and zooming ───────────────────────────────────────────────────────────────────
  function place() {
    sheet.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.k})`;
  }

  function size() {
    return [Number.parseFloat(svg.getAttribute("width")), Number.parseFloat(svg.getAttribute("height"))];
  }

  function fit() {
    const [width, height] = size();
    const room = [stage.clientWidth - 2 * SPACE, stage.clientHeight - 2 * SPACE];
    view.k = Math.max(SMALLEST, Math.min(room[0] / width, room[1] / height, 1.6));
    view.x = (stage.clientWidth - width * view.k) / 2;
    view.y = (stage.clientHeight - height * view.k) / 2;
    place();
  }

  // As large as can be read; of a long graph, the beginning.
  function start() {
    fit();
    if (view.k >= READABLE) return;
    const [width, height] = size().map((side) => side * READABLE);
    view.k = READABLE;
    view.x = Math.max(SPACE, (stage.clientWidth - width) / 2);
    view.y = Math.max(SPACE, (stage.clientHeight - height) / 2);
    place();
  }

  function keepInSight() {
    const [width, height] = size().map((side) => side * view.k);
    const bounded = (position, length, room) =>
      Math.min(Math.max(position, SPACE - length), room - SPACE);
    view.x = bounded(view.x, width, stage.clientWidth);
    view.y = bounded(view.y, height, stage.clientHeight);
    place();
  }

  function move(x, y) {
    hide();
    view.x += x;
    view.y += y;
    keepInSight();
  }

  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const k = Math.max(SMALLEST, Math.min(LARGEST, view.k * factor));
    view.x = x - ((x - view.x) * k) / view.k;
    view.y = y - ((y - view.y) * k) / view.k;
    view.k = k;
    keepInSight();
  }

  function reveal(group, space = SPACE) {
    const box = group.getBoundingClientRect(), frame = stage.getBoundingClientRect();
    const shift = (low, high, from, to) =>
      low < from + space ? from - low + space : high > to - space ? Math.max(to - high - space, from - low + space) : 0;
    view.x += shift(box.left, box.right, frame.left, frame.right);
    view.y += shift(box.top, box.bottom, frame.top, frame.bottom);
    place();
  }

  const pointers = new Map();
  let moved = 0, spread = 0, pressed = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    moved = 0;
    spread = distance();
    pressed = event.target;
  });
  addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
    moved += Math.abs(dx) + Math.abs(dy);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size === 2) {
      const wider = distance(), frame = stage.getBoundingClientRect();
      const [one, two] = [...pointers.values()];
      const [x, y] = [(one[0] + two[0]) / 2 - frame.left, (one[1] + two[1]) / 2 - frame.top];
      if (spread) zoom(wider / spread, x, y);
      spread = wider;
      return;
    }
    if (moved < 4) return;
    stage.classList.add("moving");
    move(dx, dy);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    addEventListener(name, (event) => {
      if (!pointers.delete(event.pointerId)) return;
      stage.classList.remove("moving");
      if (name !== "pointerup" || moved >= 4 || !pressed || pointers.size) return;
      const box = idOf(pressed);
      if (leadsTo(box) !== undefined) enter(box, false);
      else choose(boxes.has(box) ? box : null, event.clientX, event.clientY);
    });
  }
  function distance() {
    if (pointers.size !== 2) return 0;
    const [one, two] = [...pointers.values()];
    return Math.hypot(one[0] - two[0], one[1] - two[1]);
  }
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = stage.getBoundingClientRect();
    const lines = event.deltaMode ? 30 : 1;
    zoom(Math.exp((-event.deltaY * lines) / 500), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  addEventListener("resize", start);

  // ── what is known of a box, its way to the result, and where else its tensor is ──────────
  function idOf(element) {
    const group = element && element.closest && element.closest("g.node, g.cluster");
    return group && svg.contains(group) && group.id ? group.id : null;
  }

  function mark(group, kind) {
    group.classList.add(kind);
    lit.push([group, kind]);
  }

  function light(name) {
    unlight();
    svg.classList.add("lighting");
    const found = new Set([name]);
    const own = NEURONS.includes(boxes.get(name).role); // its own weights only
    for (const ways of [before, after]) {
      const waiting = [name], seen = new Set(waiting);
      while (waiting.length) {
        const box = waiting.pop();
        if (own && box !== name) continue;
        for (const next of ways.get(box) || []) {
          if (!seen.has(next)) {
            seen.add(next);
            found.add(next);
            waiting.push(next);
          }
        }
      }
    }
    for (const other of found) if (boxes.has(other)) mark(boxes.get(other).group, "lit");
    for (const { tail, head, group } of edges) {
      const near = own ? tail === name || head === name : found.has(tail) && found.has(head);
      if (near) mark(group, "lit");
    }
    for (const other of twins(name)) {
      mark(boxes.get(other).group, "lit");
      mark(boxes.get(other).group, "twin");
    }
  }

  function unlight() {
    for (const [group, kind] of lit) group.classList.remove(kind);
    lit = [];
    if (svg) svg.classList.remove("lighting");
  }

  // The other boxes that show or list the same tensor.
  function twins(name) {
    const { same } = boxes.get(name);
    if (!same.length) return [];
    const wanted = new Set(same);
    return [...boxes].filter(([other, box]) => other !== name && box.same.some((x) => wanted.has(x))).map(([other]) => other);
  }

  function tell(name, x, y) {
    const box = boxes.get(name);
    if (!box) return hide();
    const title = document.createElement("strong");
    title.textContent = box.words || wordsOf(box.role);
    const list = document.createElement("dl");
    const add = (label, ...content) => {
      const term = document.createElement("dt"), words = document.createElement("dd");
      term.textContent = label;
      words.append(...content);
      list.append(term, words);
    };
    for (const number of data.facts[box.facts]) {
      const [label, text] = data.pairs[number];
      add(label, [say("recorded at"), say("begins at")].includes(label) ? linkTo(text) : text);
    }
    const others = twins(name).length;
    if (others) add(say("same tensor"), say("other boxes: {n}", { n: others }));
    tip.replaceChildren(title, list);
    if (leadsTo(name) !== undefined) {
      const hint = document.createElement("p");
      hint.textContent = say("click, or Enter, to open");
      tip.append(hint);
    }
    if (name === chosen) {
      const close = document.createElement("button");
      close.textContent = "×";
      close.setAttribute("aria-label", say("Close"));
      close.addEventListener("click", () => choose(null));
      tip.prepend(close);
    }
    tip.hidden = false;
    tip.classList.toggle("chosen", name === chosen);
    const { width, height } = tip.getBoundingClientRect();
    const around = box.group.getBoundingClientRect();
    const below = y + 18, above = around.top - height - 10;
    const fits = below + height < innerHeight || above >= 6; // else it stands beside the box
    tip.style.left = `${Math.max(6, Math.min(fits ? x + 14 : around.right + 14, innerWidth - width - 6))}px`;
    tip.style.top = `${below + height < innerHeight ? below : fits ? above : Math.max(6, innerHeight - height - 6)}px`;
    light(name);
  }

  function linkTo(text) {
    const found = /^(.*):(\d+)$/.exec(text);
    if (!found || !data.source) return text;
    const link = document.createElement("a");
    const path = found[1].split("\\").join("/").split("/").map(encodeURIComponent).join("/").replace(/^\//, "");
    link.href = data.source.replace("{path}", path.replace(/^([A-Za-z])%3A/, "$1:")).replace("{line}", found[2]);
    link.textContent = text;
    link.target = "_blank";
    link.rel = "noopener";
    return link;
  }

  // Keep what is told of a box, so that its links can be reached.
  function choose(name, x, y) {
    chosen = name;
    if (!name) {
      hide();
      note();
      return;
    }
    const { left, bottom } = boxes.get(name).group.getBoundingClientRect();
    settle(name);
    tell(name, x === undefined ? left : x, y === undefined ? bottom - 8 : y);
    note();
  }

  function hide() {
    chosen = null;
    tip.hidden = true;
    unlight();
  }

  stage.addEventListener("pointerover", (event) => {
    if (pointers.size || chosen || event.pointerType === "touch") return;
    const name = idOf(event.target);
    if (boxes.has(name)) tell(name, event.clientX, event.clientY);
    else if (document.activeElement === document.body || !idOf(document.activeElement)) hide();
  });
  stage.addEventListener("pointerleave", () => { if (!chosen) hide(); });
  stage.addEventListener("focusin", (event) => {
    const name = idOf(event.target);
    ring(name ? event.target : null);
    if (!name || !event.target.matches(":focus-visible")) return;
    settle(name);
    if (name === chosen) return;
    reveal(event.target);
    const box = event.target.getBoundingClientRect();
    if (boxes.has(name)) tell(name, box.left, box.bottom - 8);
    else hide();
  });
  stage.addEventListener("focusout", (event) => {
    ring(null);
    if (!chosen && !tip.contains(event.relatedTarget)) hide();
  });

  function ring(group) {
    svg.querySelectorAll(".halo.focused").forEach((halo) => halo.remove());
    if (group && group.matches(":focus-visible")) halo(group, "halo focused");
  }

  function halo(group, kind, box = group.getBBox()) {
    const edge = { x: box.x - 5, y: box.y - 5, width: box.width + 10, height: box.height + 10, rx: 8 };
    make("rect", { ...edge, class: kind }, group);
  }

  // ── walking along the arrows ─────────────────────────────────────────────────────────────
  function walk(name, key) {
    const [back, on] = across ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
    if (frames.has(name)) {
      if (key !== on && key !== back) return beside(name, key);
      const { number, level } = frames.get(name);
      if (key === on) return [...boxes.keys()].find((other) => boxes.get(other).level === number);
      const entries = Object.values((data.levels[number]?.ports || {}).entry || {});
      const feeding = entries.flatMap((id) => neighbours(nameOf(number, id), before));
      return feeding[0] || (frames.has(`L${level}`) ? `L${level}` : null);
    }
    if (key === on) return neighbours(name, after)[0];
    if (key === back) {
      const scope = `L${boxes.get(name).level}`;
      return neighbours(name, before)[0] || (frames.has(scope) ? scope : null);
    }
    return beside(name, key);
  }

  // The nearest box at a side: one that an arrow joins, then one with a common neighbour, then any.
  function beside(name, key) {
    const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
    const known = boxes.get(name) || frames.get(name), from = middle(known.group);
    const family = frames.has(name) ? [] : [
      ...neighbours(name, after).flatMap((x) => neighbours(x, before)),
      ...neighbours(name, before).flatMap((x) => neighbours(x, after)),
    ];
    const joined = frames.has(name) ? [] : [...neighbours(name, before), ...neighbours(name, after)];
    for (const group of [joined, family, [...boxes.keys()]]) {
      let best = null, least = Infinity;
      for (const other of new Set(group)) {
        if (other === name) continue;
        const to = middle(boxes.get(other).group), [dx, dy] = [to.x - from.x, to.y - from.y];
        const [along, off] = across ? [dy, dx] : [dx, dy];
        const length = Math.abs(along) + 2 * Math.abs(off);
        const level = group !== joined && group !== family || Math.abs(along) > Math.abs(off);
        if (level && along * sign > NEAR && length < least) [best, least] = [other, length];
      }
      if (best) return best;
    }
    return null;
  }

  function goToBox(name) {
    const known = boxes.get(name) || frames.get(name);
    if (!known) return;
    chosen = null;
    settle(name);
    known.group.focus({ preventScroll: true });
  }

  // ── search, also in what is folded ───────────────────────────────────────────────────────
  let texts = null;

  function find() {
    svg.querySelectorAll(".halo:not(.focused)").forEach((frame) => frame.remove());
    const wanted = search.value.trim().toLowerCase();
    hits = [];
    hit = -1;
    if (!wanted) {
      at("found").value = say("boxes: {n}", { n: boxes.size });
      return;
    }
    texts = texts || data.pairs.map((pair) => pair[1].toLowerCase());
    const inPairs = texts.map((text) => text.includes(wanted));
    const inFacts = data.facts.map((list) => list.some((number) => inPairs[number]));
    data.levels.forEach((level, number) => {
      if (flat && number !== root) return;
      for (const [id, [words, role, facts]] of Object.entries(level.boxes)) {
        if (inFacts[facts] || words.toLowerCase().includes(wanted) || role.includes(wanted) ||
          wordsOf(role).toLowerCase().includes(wanted)) hits.push([number, id]);
      }
    });
    const marked = new Map();
    let folded = 0;
    for (const [level, id] of hits) {
      const shown = showing(level, id);
      folded += shown !== nameOf(level, id);
      if (boxes.has(shown)) marked.set(shown, marked.get(shown) || shown === nameOf(level, id));
      else if (frames.has(shown)) marked.set(shown, true);
    }
    const groups = [...marked.keys()].map((name) => (boxes.get(name) || frames.get(name)).group);
    const around = groups.map((group) => group.getBBox()); // all before the first change, which is faster
    [...marked.values()].forEach((whole, i) => halo(groups[i], whole ? "halo" : "halo inside", around[i]));
    const scopes = hits.filter(([level, id]) => frames.has(showing(level, id))).length;
    const hidden = folded - scopes;
    at("found").value = !hits.length ? say("nothing found")
      : say(hidden ? "found: {n}, folded: {hidden}" : "found: {n}", { n: hits.length, hidden });
  }

  // What is shown of a box: itself, the frame that it opened to, or the folded scope around it.
  function showing(level, id) {
    let name = nameOf(level, id);
    if (flat || boxes.has(name)) return name;
    const child = data.levels[level].opens[id];
    if (child !== undefined && frames.has(`L${child}`)) return `L${child}`;
    for (let around = level; around; around = up[around][0]) {
      name = nameOf(...up[around]);
      if (boxes.has(name)) return name;
    }
    return name;
  }

  function stepTo(direction) {
    if (!hits.length) return;
    hit = (hit + direction + hits.length) % hits.length;
    const [level, id] = hits[hit], kept = [hits, hit];
    if (!flat && uncover(level)) {
      find();
      note();
      [hits, hit] = kept;
    }
    const name = showing(level, id), known = boxes.get(name) || frames.get(name);
    hide();
    reveal(known.group, AROUND);
    settle(name);
    const box = known.group.getBoundingClientRect();
    if (boxes.has(name)) tell(name, box.left, box.bottom - 8);
    at("found").value = say("{place} of {n}", { place: hit + 1, n: hits.length });
  }

  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") stepTo(event.shiftKey ? -1 : 1);
    if (event.key === "ArrowDown" && hits.length) {
      event.preventDefault();
      goToBox(hit < 0 ? showing(...hits[0]) : here);
    }
    if (event.key === "Escape") {
      search.value = "";
      find();
      hide();
      stage.focus();
    }
    event.stopPropagation();
  });

  // ── the steps ────────────────────────────────────────────────────────────────────────────
  const slider = at("step");

  // The steps of what is open: those of a scope stand in place of the one of its folded box.
  function timeline() {
    if (data.film) return data.film;
    const found = [];
    const add = (number, phase) => {
      const level = data.levels[number];
      for (const [ids, caption, arrows, writings, tensors] of level[phase] || []) {
        const child = ids.length === 1 ? level.opens[ids[0]] : undefined;
        if (open.has(child) && (data.levels[child][phase] || []).length) add(child, phase);
        else found.push({ phase, level: number, ids, caption, arrows, writings, tensors });
      }
    };
    add(0, "forward");
    add(0, "backward");
    return found;
  }

  // Whether two steps are the same, or one of them is in the scope of the other.
  function isSame(one, other) {
    if (one.phase !== other.phase) return false;
    if (one === other || data.film) return one === other;
    if (one.level === other.level) return one.ids.join() === other.ids.join() && one.caption[0] === other.caption[0];
    const holds = (outer, inner) => {
      for (let level = inner.level; level; level = up[level][0]) {
        if (up[level][0] === outer.level && outer.ids.includes(up[level][1])) return true;
      }
      return false;
    };
    return holds(one, other) || holds(other, one);
  }

  function goTo(number, tellAll = true) {
    const last = film.length;
    number = Math.max(0, Math.min(last, number));
    slider.value = number;
    const over = number === last;
    for (const { element, from, until, pale } of windows) {
      const glow = element.matches(".glow, .flow");
      element.classList.toggle("pale", number < pale);
      element.classList.toggle("off", over ? glow || until !== Infinity : number < from || number >= until);
    }
    if (!data.film) showLevels(number);
    if (!last) return;
    const step = film[number], caption = at("caption"), count = at("count");
    caption.replaceChildren();
    for (const text of over ? [data.end, say("▶ plays how they are computed")] : step.caption) {
      const line = document.createElement("div");
      line.textContent = text;
      if (over || text.startsWith(data.rule)) line.className = "rule";
      caption.append(line);
    }
    count.className = over ? "" : step.phase;
    count.value = over ? say("steps: {n}", { n: last }) : `${data.phases[step.phase]}, ${number + 1} / ${last}`;
    if (tellAll) {
      if (!over) for (const glow of svg.querySelectorAll(".glow:not(.off)")) reveal(glow, AROUND);
      note();
    }
    slider.setAttribute("aria-valuetext", over ? say("all steps done") : `${count.value}: ${step.caption[0]}`);
  }

  function showLevels(number) {
    svg.querySelectorAll("rect.glow").forEach((glow) => glow.remove());
    svg.querySelectorAll(".flow").forEach((edge) => edge.classList.remove("flow", "forward", "backward"));
    const written = new Map(), tensors = new Map(), later = new Set();
    film.forEach(({ phase, level, ids, writings, tensors: known }, place) => {
      if (place > number) {
        if (phase === "forward") for (const id of ids) later.add(nameOf(level, id));
        return;
      }
      for (const [id, text] of Object.entries(writings)) written.set(nameOf(level, id), text);
      for (const [tensor, text] of Object.entries(known)) tensors.set(Number(tensor), text);
    });
    for (const [name, { level, id, role, group }] of boxes) {
      const tensor = (data.levels[level].gradients || {})[id];
      if (tensor !== undefined) {
        const text = [...group.querySelectorAll("text")].at(-1);
        text.textContent = (tensor >= 0 ? tensors.get(tensor) : written.get(name)) || "";
        text.classList.add("gradient-text");
      }
      const maker = role === "output" ? neighbours(name, before) : [];
      group.classList.toggle("pale", later.has(name) || maker.some((x) => later.has(x)));
    }
    for (const { head, group } of edges) {
      const ends = boxes.has(head) ? [head] : neighbours(head, after);
      const pale = ends.length > 0 && ends.every((x) => boxes.get(x).group.classList.contains("pale"));
      group.classList.toggle("pale", pale);
    }
    if (number >= film.length) return;
    const { phase, level, ids, arrows } = film[number];
    for (const id of ids) {
      const shown = boxes.get(nameOf(level, id)) || frames.get(`L${data.levels[level].opens[id]}`);
      if (shown) halo(shown.group, `glow ${phase}`);
    }
    for (const { level: other, place, group } of edges) {
      if (other === level && arrows.includes(place)) group.classList.add("flow", phase);
    }
  }

  function play(wanted) {
    clearInterval(timer);
    timer = 0;
    if (wanted) {
      if (Number(slider.value) >= film.length) goTo(0);
      timer = setInterval(() => {
        goTo(Number(slider.value) + 1);
        if (Number(slider.value) >= film.length) play(false);
      }, 1000 * SECONDS);
    }
    at("play").textContent = timer ? "❚❚" : "▶";
    at("play").setAttribute("aria-label", say(timer ? "Pause" : "Play the steps"));
  }

  slider.addEventListener("input", () => { play(false); goTo(Number(slider.value)); });
  slider.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    play(!timer);
  });
  at("play").addEventListener("click", () => play(!timer));

  // ── light and dark ───────────────────────────────────────────────────────────────────────
  const html = document.documentElement;

  // The page around a frame decides, not the system: a notebook has a theme of its own.
  function surroundings() {
    try {
      if (!window.frameElement) return null;
      let around = window.frameElement;
      while (around) {
        const colour = numbers(parent.getComputedStyle(around).backgroundColor);
        if (colour.length === 3 || colour[3] > 0.5) return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] < 128;
        around = around.parentElement;
      }
      return parent.getComputedStyle(parent.document.documentElement).colorScheme === "dark";
    } catch {
      return null; // a page of another origin cannot be asked
    }
  }

  function isDark() {
    if (html.dataset.theme) return html.dataset.theme === "dark";
    const around = surroundings();
    return around === null ? darkness.matches : around;
  }

  function paint() {
    const auto = !html.dataset.theme && surroundings() === null, dark = isDark();
    html.classList.toggle("auto", auto);
    html.classList.toggle("dark", dark && !auto);
    const query = /@media\s*\(prefers-color-scheme:\s*dark\)|@media (not )?all/g;
    const now = auto ? "@media (prefers-color-scheme: dark)" : dark ? "@media all" : "@media not all";
    svg.querySelectorAll("style").forEach((style) => {
      style.textContent = style.textContent.replace(query, now);
    });
  }

  function darkRules(scope) {
    const rules = Object.entries(data.look.dark).flatMap(([light, dark]) =>
      ["fill", "stroke"].map((place) => `${scope} [${place}="${light}"]{${place}:${dark}}`));
    return `${rules.join("")}${scope} text[fill="${data.look.outside}"]{${data.look.halo}}`;
  }

  const look = document.createElement("style");
  look.textContent = `#sheet svg text{font-family:${data.look.font}}${darkRules("html.dark #sheet")}` +
    `@media (prefers-color-scheme: dark){${darkRules("html.auto #sheet")}}`;
  document.head.append(look);

  function otherTheme() {
    html.dataset.theme = isDark() ? "light" : "dark";
    paint();
    note();
  }

  try {
    if (window.frameElement) {
      const watch = new MutationObserver(paint), wanted = { attributes: true };
      for (const element of [parent.document.documentElement, parent.document.body]) watch.observe(element, wanted);
    }
  } catch { /* a page of another origin cannot be watched */ }

  // ── saving ───────────────────────────────────────────────────────────────────────────────
  function pictureText(ground) {
    const copy = svg.cloneNode(true);
    copy.setAttribute("xmlns", NAMESPACE);
    copy.setAttribute("role", "img");
    for (const name of ["style", "aria-label", "aria-description"]) copy.removeAttribute(name);
    copy.classList.remove("lighting");
    copy.querySelectorAll(".halo, .off").forEach((element) => element.remove());
    for (const element of copy.querySelectorAll("[tabindex], [role], [aria-label], [aria-expanded]")) {
      for (const name of ["tabindex", "role", "aria-label", "aria-expanded"]) element.removeAttribute(name);
    }
    for (const kind of ["lit", "twin", "opens"]) copy.querySelectorAll(`.${kind}`).forEach((x) => x.classList.remove(kind));
    const style = make("style", {}), { fill, stroke } = data.look.cluster;
    style.textContent = `text{font-family:${data.look.font}}.pale{opacity:.28}.ground{fill:${fill};stroke:${stroke}}` +
      `.gradient-text{fill:${isDark() ? "#e3a3c6" : "#9c3f73"} !important}.glow{fill:#e69f00;fill-opacity:.22;stroke:#e69f00;stroke-width:2}` +
      `.glow.backward{fill:#cc79a7;stroke:#cc79a7}.flow path{stroke:#e69f00;stroke-width:2.4}` +
      `.flow.backward path{stroke:#cc79a7}${isDark() ? darkRules("svg") : ""}`;
    copy.prepend(style);
    const [x, y, width, height] = numbers(copy.getAttribute("viewBox"));
    if (ground) style.after(make("rect", { x: x - PAD, y: y - PAD, width: width + 2 * PAD, height: height + 2 * PAD, style: `fill:${isDark() ? data.look.ground : "#ffffff"}` }));
    for (const [tag, text] of [["desc", data.description], ["title", data.title]]) {
      const element = make(tag, { id: `picture-${tag}` });
      element.textContent = text;
      copy.querySelectorAll(`:scope > ${tag}`).forEach((old) => old.remove());
      copy.prepend(element);
    }
    copy.setAttribute("aria-labelledby", "picture-title picture-desc");
    return new XMLSerializer().serializeToString(copy);
  }

  async function pictureImage() {
    const [width, height] = size(), most = 16000;
    const scale = Math.min(2, most / width, most / height);
    const image = new Image();
    const text = pictureText(true);
    await new Promise((done, failed) => {
      image.onload = done;
      image.onerror = () => failed(new Error(say("the picture cannot be drawn")));
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    });
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(width * scale);
    canvas.height = Math.ceil(height * scale);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error(say("the picture is too large for a PNG; save it as SVG")))), "image/png"));
  }

  function saveFile(blob, suffix) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${data.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "graph"}.${suffix}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    return say("saved as {name}", { name: link.download });
  }

  async function copyText(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // without the permission, as in some frames
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      if (!done) throw new Error(say("the browser does not let this page copy; save a file instead"));
    }
    return say("copied");
  }

  const saving = {
    "copy-svg": () => copyText(pictureText(false)),
    "save-svg": () => saveFile(new Blob([pictureText(false)], { type: "image/svg+xml" }), "svg"),
    "copy-png": async () => {
      if (!window.ClipboardItem || !navigator.clipboard) throw new Error(say("the browser cannot copy a PNG here; save it instead"));
      await navigator.clipboard.write([new ClipboardItem({ "image/png": pictureImage() })]);
      return say("copied");
    },
    "save-png": async () => saveFile(await pictureImage(), "png"),
    "copy-link": () => {
      note();
      return copyText(`${location.href.split("#")[0]}#${state()}`);
    },
  };
  for (const [id, action] of Object.entries(saving)) {
    at(id).addEventListener("click", async () => {
      try {
        at("saved").value = await action();
      } catch (error) {
        at("saved").value = error.message;
      }
    });
  }

  // ── what is shown, as an address ─────────────────────────────────────────────────────────
  function state() {
    const found = new URLSearchParams();
    const changed = open.size !== data.open.length || data.open.some((x) => !open.has(x));
    if (changed) found.set("open", [...open].sort((a, b) => a - b).join("."));
    if (root) found.set("state", root);
    if (chosen) found.set("at", chosen);
    if (html.dataset.theme) found.set("theme", html.dataset.theme);
    if (film.length && Number(slider.value) < film.length) found.set("step", slider.value);
    return found.toString();
  }

  function note() {
    const now = state();
    if (location.protocol === "about:" || now === location.hash.slice(1)) return;
    try {
      history.replaceState(null, "", now ? `#${now}` : location.pathname + location.search);
    } catch { /* a frame without an address of its own */ }
  }

  // Show what an address says; a number that does not fit this page is left out.
  function restore() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const known = (text) => /^\d+$/.test(text) && Number(text) < data.levels.length;
    if (wanted.has("open") && !flat) {
      const listed = wanted.get("open").split(".").filter((x) => known(x) && Number(x) > 0);
      open = new Set(listed.map(Number));
    } else open = new Set(data.open);
    root = flat && known(wanted.get("state") || "") ? Number(wanted.get("state")) : 0;
    if (["light", "dark"].includes(wanted.get("theme"))) html.dataset.theme = wanted.get("theme");
    draw();
    start();
    find();
    if (/^\d+$/.test(wanted.get("step") || "")) goTo(Number(wanted.get("step")));
    if (boxes.has(wanted.get("at"))) {
      reveal(boxes.get(wanted.get("at")).group, AROUND);
      choose(wanted.get("at"));
    }
  }

  addEventListener("hashchange", restore);

  // ── printing: pages whose borders cut no box ─────────────────────────────────────────────
  const PAPER = [700, 960], SMALL = 0.55; // pixels that fit on A4 and on Letter, with margins

  function cuts(length, room, spans) {
    const found = [0];
    while (found.at(-1) + room < length) {
      const from = found.at(-1);
      let to = from + room;
      for (let clean = false; !clean;) {
        clean = true;
        for (const [low, high] of spans) {
          if (low < to && to < high && low > from) {
            to = low;
            clean = false;
          }
        }
      }
      found.push(to > from ? to : from + room);
    }
    return [...found, length];
  }

  function paginate() {
    const pages = at("pages"), [x0, y0, width, height] = numbers(svg.getAttribute("viewBox"));
    const scale = Math.max(Math.min(PAPER[0] / width, PAPER[1] / height, POINT), SMALL);
    const transform = svg.getScreenCTM().inverse();
    const spans = [...svg.querySelectorAll(".node")].map((group) => {
      const box = group.getBoundingClientRect();
      const [low, high] = [[box.left, box.top], [box.right, box.bottom]].map(([x, y]) => new DOMPoint(x, y).matrixTransform(transform));
      return { x: [low.x - x0 - 3, high.x - x0 + 3], y: [low.y - y0 - 3, high.y - y0 + 3] };
    });
    const columns = cuts(width, PAPER[0] / scale, spans.map((span) => span.x));
    const rows = cuts(height, PAPER[1] / scale, spans.map((span) => span.y));
    pages.replaceChildren();
    for (let row = 1; row < rows.length; row++) {
      for (let column = 1; column < columns.length; column++) {
        const [x, y] = [columns[column - 1], rows[row - 1]];
        const [w, h] = [columns[column] - x, rows[row] - y];
        const copy = svg.cloneNode(true);
        copy.removeAttribute("id");
        copy.setAttribute("viewBox", [x0 + x, y0 + y, w, h].join(" "));
        copy.setAttribute("width", w * scale);
        copy.setAttribute("height", h * scale);
        const sheetOfPaper = document.createElement("div");
        sheetOfPaper.append(copy);
        pages.append(sheetOfPaper);
      }
    }
  }

  addEventListener("beforeprint", () => {
    hide();
    html.classList.remove("dark", "auto");
    svg.querySelectorAll(".halo").forEach((halo) => halo.remove());
    at("pages").classList.toggle("flat", flat);
    paginate();
  });
  addEventListener("afterprint", () => {
    at("pages").replaceChildren();
    paint();
    find();
  });

  // ── buttons and keys ─────────────────────────────────────────────────────────────────────
  function atFirst() {
    if (at("back").disabled) return;
    hide();
    root = 0;
    open = new Set(data.open);
    draw();
    start();
    find();
    note();
  }

  const panels = { keys: "ask", save: "saver" };

  function panel(name, wanted, back = false) {
    for (const [id, button] of Object.entries(panels)) {
      const shown = id === name && wanted;
      at(id).hidden = !shown;
      at(button).setAttribute("aria-expanded", String(shown));
    }
    at("saved").value = "";
    if (wanted && name === "save") at("copy-svg").focus();
    else if (back) at(panels[name]).focus();
  }

  at("fit").addEventListener("click", fit);
  at("in").addEventListener("click", () => zoom(1.25));
  at("out").addEventListener("click", () => zoom(0.8));
  at("back").addEventListener("click", atFirst);
  at("theme").addEventListener("click", otherTheme);
  at("ask").addEventListener("click", () => panel("keys", at("keys").hidden));
  at("saver").addEventListener("click", () => panel("save", at("save").hidden));

  // One Tab stop in a row of buttons; the arrow keys go from one to the next.
  for (const bar of [at("tools"), at("save")]) {
    const buttons = [...bar.querySelectorAll("button")];
    const settleOn = (button) => buttons.forEach((x) => x.setAttribute("tabindex", x === button ? "0" : "-1"));
    settleOn(buttons.find((button) => !button.disabled));
    bar.addEventListener("focusin", (event) => { if (buttons.includes(event.target)) settleOn(event.target); });
    bar.addEventListener("keydown", (event) => {
      const usable = buttons.filter((button) => !button.disabled), place = usable.indexOf(event.target);
      const to = { ArrowRight: place + 1, ArrowDown: place + 1, ArrowLeft: place - 1, ArrowUp: place - 1, Home: 0, End: usable.length - 1 }[event.key];
      if (place < 0) return;
      if (event.key === "Escape" && bar === at("save")) {
        panel("save", false, true);
        event.stopPropagation();
      }
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      usable[(to + usable.length) % usable.length].focus();
    });
  }

  const actions = {
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), "0": fit,
    "/": () => search.focus(), "?": () => panel("keys", at("keys").hidden), t: otherTheme,
    s: () => panel("save", at("save").hidden),
    Backspace: atFirst,
    f: () => {
      const known = boxes.get(here) || frames.get(here);
      const scope = known && (frames.has(here) ? here : `L${known.level}`);
      if (frames.has(scope)) enter(scope, true);
    },
    Home: () => goToBox(boxes.keys().next().value),
    End: () => goToBox([...boxes.keys()].at(-1)),
    p: () => film.length && play(!timer),
    "[": () => { play(false); goTo(Number(slider.value) - 1); },
    "]": () => { play(false); goTo(Number(slider.value) + 1); },
    Escape: () => { hide(); panel("keys", false); play(false); note(); stage.focus({ preventScroll: true }); },
  };
  const arrows = {
    ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP],
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === search) return;
    const name = idOf(event.target);
    if (name && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      if (leadsTo(name) !== undefined) enter(name, true);
      else choose(chosen === name ? null : name);
      return;
    }
    if (event.key === "Tab" && name && chosen === name && !event.shiftKey && tip.querySelector("a, button")) {
      event.preventDefault();
      (tip.querySelector("a") || tip.querySelector("button")).focus();
      return;
    }
    if (arrows[event.key] && event.target !== slider) {
      event.preventDefault();
      if (name && !event.shiftKey) goToBox(walk(name, event.key));
      else move(...arrows[event.key]);
      return;
    }
    const action = actions[event.key] || actions[event.key.toLowerCase()];
    if (action && !(event.target === slider && ["Home", "End"].includes(event.key))) {
      event.preventDefault();
      action();
    }
  });

  const longest = Math.max(2, ...(data.film || data.levels.flatMap((level) => [...(level.forward || []), ...(level.backward || [])].map((step) => ({ caption: step[1] })))).map((step) => step.caption.length));
  at("caption").style.minHeight = `${1.4 * Math.min(longest, 4)}em`; // so that the graph keeps its place
  restore();
})();
