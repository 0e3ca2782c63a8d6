"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const say = (message, values = {}) =>
    data.words[message].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const stage = at("stage"), sheet = at("sheet"), tip = at("facts"), search = at("search");
  const SPACE = 24, LARGEST = 8, SMALLEST = 0.02, READABLE = 0.8, AROUND = 70, STEP = 60, SECONDS = 1.6;
  const NEURONS = ["neuron", "feature", "prediction", "bias"];
  const NAMESPACE = "http://www.w3.org/2000/svg";
  const darkness = matchMedia("(prefers-color-scheme: dark)");

  let current = 0;        // the state that is shown
  let svg, prefix;        // its drawing, and what the ids in it begin with
  let groups = new Map(); // id of a box or cluster → its group
  let edges = [];         // the group of each arrow, null where there is none
  let windows = [];       // what comes and goes with the steps
  let view = { x: 0, y: 0, k: 1 };
  let hits = [], hit = -1;
  let timer = 0;

  // ── the drawing ──────────────────────────────────────────────────────────────────────────
  function show(number) {
    current = number;
    const state = data.states[number];
    const parsed = new DOMParser().parseFromString(state.svg, "image/svg+xml").documentElement;
    svg = document.importNode(parsed, true);
    prefix = svg.id;
    svg.setAttribute("role", "group");
    svg.querySelectorAll("g title").forEach((title) => title.remove());
    groups = new Map();
    for (const group of svg.querySelectorAll("g[id]")) {
      groups.set(group.id.slice(prefix.length + 1), group);
    }
    edges = state.arrows.map((_, place) => groups.get(`e${place}`) || null);
    windows = [...svg.querySelectorAll("[data-from], [data-pale]")].map((element) => ({
      element,
      from: Number(element.dataset.from || 0),
      until: element.dataset.until === undefined ? Infinity : Number(element.dataset.until),
      pale: element.dataset.pale === undefined ? 0 : Number(element.dataset.pale),
    }));
    for (const id of Object.keys(state.boxes)) prepareBox(id, state);
    for (const id of Object.keys(state.captions)) prepareCluster(id, state);
    sheet.replaceChildren(svg);
    at("back").disabled = number === 0;
    at("player").hidden = !(number === 0 && data.steps.length);
    paint();
    play(false);
    goTo(data.steps.length);
  }

  function prepareBox(id, state) {
    const group = groups.get(id);
    if (!group) return;
    const [words, role] = state.boxes[id];
    const opens = leadsTo(id) !== undefined;
    group.classList.toggle("opens", opens);
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", opens ? "button" : "img");
    group.setAttribute("aria-label", `${role.replace("_", " ")} ${words}`);
    if (opens) group.setAttribute("aria-expanded", "false");
  }

  function prepareCluster(id, state) {
    const group = groups.get(id);
    if (!group || leadsTo(id) === undefined) return;
    group.classList.add("opens");
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", `${say("scope")} ${state.captions[id]}`);
    group.setAttribute("aria-expanded", "true");
  }

  function leadsTo(id) {
    const state = data.states[current];
    const place = state.scopes[id];
    return place === undefined ? undefined : state.next[place];
  }

  function enter(id, focus) {
    const next = leadsTo(id);
    if (next === undefined) return;
    const place = data.states[current].scopes[id];
    const before = middle(groups.get(id));
    hide();
    show(next);
    const there = Object.keys(data.states[next].scopes)
      .find((other) => data.states[next].scopes[other] === place);
    const group = there && groups.get(there);
    if (group) {
      const after = middle(group);
      view.x += before.x - after.x;
      view.y += before.top - after.top;
      keepInSight();
      if (focus) group.focus({ preventScroll: true });
    } else start();
    find();
  }

  function middle(element) {
    const box = element.getBoundingClientRect();
    return { x: box.left + box.width / 2, y: box.top + box.height / 2, top: box.top };
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
      low < from + space ? from - low + space : high > to - space ? to - high - space : 0;
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
    hide();
    view.x += dx;
    view.y += dy;
    keepInSight();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    addEventListener(name, (event) => {
      if (!pointers.delete(event.pointerId)) return;
      stage.classList.remove("moving");
      if (name === "pointerup" && moved < 4 && pressed && !pointers.size) {
        const id = idOf(pressed);
        if (id) enter(id, false);
      }
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

  // ── what is known of a box, and its way to the result ────────────────────────────────────
  function idOf(element) {
    const group = element.closest && element.closest("g.node, g.cluster");
    return group && svg.contains(group) ? group.id.slice(prefix.length + 1) : null;
  }

  function light(id) {
    const state = data.states[current];
    const lit = new Set([id]);
    for (const [from, to] of [[0, 1], [1, 0]]) {
      const waiting = [id], seen = new Set(waiting);
      while (waiting.length) {
        const box = waiting.pop();
        if (NEURONS.includes(state.boxes[id][1]) && box !== id) continue; // its own weights only
        for (const arrow of state.arrows) {
          if (arrow[from] === box && !seen.has(arrow[to])) {
            seen.add(arrow[to]);
            lit.add(arrow[to]);
            waiting.push(arrow[to]);
          }
        }
      }
    }
    for (const box of Object.keys(state.boxes)) {
      const group = groups.get(box);
      if (group) group.classList.toggle("far", !lit.has(box));
    }
    const own = NEURONS.includes(state.boxes[id][1]);
    state.arrows.forEach(([tail, head], place) => {
      const near = own ? tail === id || head === id : lit.has(tail) && lit.has(head);
      if (edges[place]) edges[place].classList.toggle("far", !near && head in state.boxes);
    });
  }

  function tell(id, x, y) {
    const state = data.states[current];
    const box = state.boxes[id];
    if (!box) return hide();
    tip.replaceChildren();
    const name = document.createElement("strong");
    name.textContent = box[0] || box[1].replace("_", " ");
    const list = document.createElement("dl");
    for (const [label, text] of data.facts[box[2]]) {
      const term = document.createElement("dt"), words = document.createElement("dd");
      term.textContent = label;
      words.textContent = text;
      list.append(term, words);
    }
    tip.append(name, list);
    if (leadsTo(id) !== undefined) {
      const hint = document.createElement("p");
      hint.textContent = say("click, or Enter, to open");
      tip.append(hint);
    }
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(6, Math.min(x + 14, innerWidth - width - 6))}px`;
    tip.style.top = `${y + 18 + height < innerHeight ? y + 18 : Math.max(6, y - height - 12)}px`;
    light(id);
  }

  function hide() {
    tip.hidden = true;
    if (svg) svg.querySelectorAll(".far").forEach((group) => group.classList.remove("far"));
  }

  stage.addEventListener("pointerover", (event) => {
    if (pointers.size) return;
    const id = idOf(event.target);
    if (id && data.states[current].boxes[id]) tell(id, event.clientX, event.clientY);
    else if (document.activeElement === document.body || !idOf(document.activeElement)) hide();
  });
  stage.addEventListener("pointerleave", hide);
  stage.addEventListener("focusin", (event) => {
    const id = idOf(event.target);
    ring(id ? event.target : null);
    if (!id) return hide();
    if (!event.target.matches(":focus-visible")) return;
    reveal(event.target);
    const box = event.target.getBoundingClientRect();
    tell(id, box.left, box.bottom - 8);
  });
  stage.addEventListener("focusout", () => { ring(null); hide(); });

  function ring(group) {
    svg.querySelectorAll(".halo.focused").forEach((halo) => halo.remove());
    if (group && group.matches(":focus-visible")) halo(group, "halo focused");
  }

  function halo(group, kind) {
    const box = group.getBBox();
    const frame = document.createElementNS(NAMESPACE, "rect");
    const edge = { x: box.x - 5, y: box.y - 5, width: box.width + 10, height: box.height + 10, rx: 8 };
    for (const [name, value] of Object.entries(edge)) frame.setAttribute(name, value);
    frame.setAttribute("class", kind);
    group.parentNode.append(frame);
  }

  // ── search ───────────────────────────────────────────────────────────────────────────────
  function find() {
    svg.querySelectorAll(".halo:not(.focused)").forEach((frame) => frame.remove());
    const wanted = search.value.trim().toLowerCase();
    hits = [];
    hit = -1;
    if (!wanted) {
      const count = Object.keys(data.states[current].boxes).length;
      at("found").value = say("boxes: {n}", { n: count });
      return;
    }
    const state = data.states[current];
    for (const [id, [words, role, number]] of Object.entries(state.boxes)) {
      const texts = [words, role, ...data.facts[number].map((fact) => fact[1])];
      if (groups.has(id) && texts.some((text) => text.toLowerCase().includes(wanted))) hits.push(id);
    }
    for (const id of hits) halo(groups.get(id), "halo");
    at("found").value = hits.length ? say("found: {n}", { n: hits.length }) : say("nothing found");
  }

  function stepTo(direction) {
    if (!hits.length) return;
    hit = (hit + direction + hits.length) % hits.length;
    const group = groups.get(hits[hit]);
    reveal(group);
    const box = group.getBoundingClientRect();
    tell(hits[hit], box.left, box.bottom - 8);
    at("found").value = say("{place} of {n}", { place: hit + 1, n: hits.length });
  }

  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") stepTo(event.shiftKey ? -1 : 1);
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
  slider.max = data.steps.length;
  const longest = Math.max(2, ...data.steps.map((step) => step.caption.length));
  at("caption").style.minHeight = `${1.4 * longest}em`; // so that the graph keeps its place

  function goTo(number) {
    const last = data.steps.length;
    number = Math.max(0, Math.min(last, number));
    slider.value = number;
    const over = number === last;
    for (const { element, from, until, pale } of windows) {
      const glow = element.matches(".glow, .flow");
      element.classList.toggle("pale", number < pale);
      element.classList.toggle("off", over ? glow || until !== Infinity : number < from || number >= until);
    }
    if (!last) return;
    const step = data.steps[number];
    const caption = at("caption"), count = at("count");
    caption.replaceChildren();
    for (const text of over ? [data.end, say("▶ plays how they are computed")] : step.caption) {
      const line = document.createElement("div");
      line.textContent = text;
      if (over || text.startsWith(data.rule)) line.className = "rule";
      caption.append(line);
    }
    count.className = over ? "" : step.phase;
    count.value = over ? say("steps: {n}", { n: last }) : `${step.phase_words}, ${number + 1} / ${last}`;
    if (!over) for (const glow of svg.querySelectorAll(".glow:not(.off)")) reveal(glow, AROUND);
    slider.setAttribute("aria-valuetext", over ? say("all steps done") : `${count.value}: ${step.caption[0]}`);
  }

  function play(wanted) {
    clearInterval(timer);
    timer = 0;
    if (wanted) {
      if (Number(slider.value) >= data.steps.length) goTo(0);
      timer = setInterval(() => {
        goTo(Number(slider.value) + 1);
        if (Number(slider.value) >= data.steps.length) play(false);
      }, 1000 * SECONDS);
    }
    at("play").textContent = timer ? "❚❚" : "▶";
    at("play").setAttribute("aria-label", timer ? say("Pause") : say("Play the steps"));
  }

  slider.addEventListener("input", () => { play(false); goTo(Number(slider.value)); });
  at("play").addEventListener("click", () => play(!timer));

  // ── light and dark ───────────────────────────────────────────────────────────────────────
  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : darkness.matches;
  }

  function paint() {
    const chosen = document.documentElement.dataset.theme;
    if (!chosen) return;
    const query = /@media\s*\(prefers-color-scheme:\s*dark\)|@media (not )?all/g;
    svg.querySelectorAll("style").forEach((style) => {
      style.textContent = style.textContent
        .replace(query, chosen === "dark" ? "@media all" : "@media not all");
    });
  }

  function otherTheme() {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    paint();
  }

  // ── buttons and keys ─────────────────────────────────────────────────────────────────────
  function atFirst() {
    if (!current) return;
    hide();
    show(0);
    start();
    find();
  }

  function keys(wanted) {
    at("keys").hidden = !wanted;
    at("ask").setAttribute("aria-expanded", String(wanted));
  }

  at("fit").addEventListener("click", fit);
  at("in").addEventListener("click", () => zoom(1.25));
  at("out").addEventListener("click", () => zoom(0.8));
  at("back").addEventListener("click", atFirst);
  at("theme").addEventListener("click", otherTheme);
  at("ask").addEventListener("click", () => keys(at("keys").hidden));

  const actions = {
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), "0": fit,
    "/": () => search.focus(), "?": () => keys(at("keys").hidden), t: otherTheme,
    Backspace: atFirst,
    p: () => data.steps.length && !current && play(!timer),
    "[": () => { play(false); goTo(Number(slider.value) - 1); },
    "]": () => { play(false); goTo(Number(slider.value) + 1); },
    Escape: () => { hide(); keys(false); play(false); stage.focus({ preventScroll: true }); },
  };
  const arrows = {
    ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP],
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === search) return;
    const id = idOf(event.target);
    if (id && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      enter(id, true);
      return;
    }
    if (arrows[event.key] && event.target !== slider) {
      event.preventDefault();
      hide();
      view.x += arrows[event.key][0];
      view.y += arrows[event.key][1];
      keepInSight();
      return;
    }
    const action = actions[event.key] || actions[event.key.toLowerCase()];
    if (action) {
      event.preventDefault();
      action();
    }
  });

  show(0);
  start();
  find();
})();
