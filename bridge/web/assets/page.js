// The page works without this. With it, it filters and sorts as one types and
// shows what happens as it happens.
"use strict";

// theme switches between automatic, light and dark.
(() => {
  const button = document.getElementById("theme");
  const order = ["automatic", "light", "dark"];
  const now = () => document.documentElement.dataset.theme || "automatic";
  const show = () => { button.lastElementChild.textContent = now(); };
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(now()) + 1) % order.length];
    if (next === "automatic") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try { localStorage.setItem("theme", next); } catch { /* it lasts for this page only */ }
    show();
  });
  button.hidden = false;
  show();
})();

// morph makes old look like fresh and leaves what is the same alone: focus,
// scroll position and what is unfolded stay. Children with a data-key or an id
// are known by it, the others by their place.
const morph = (() => {
  const keyOf = (n) => n.nodeType === 1 ? n.dataset.key || n.id || "" : "";
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
  const children = (old, fresh) => {
    const known = new Map(), wanted = new Set([...fresh.childNodes].map(keyOf));
    for (const n of [...old.childNodes]) {
      if (!keyOf(n)) continue;
      if (wanted.has(keyOf(n))) known.set(keyOf(n), n);
      else n.remove();
    }
    let at = old.firstChild;
    const drop = () => { const gone = at; at = at.nextSibling; gone.remove(); };
    for (const f of [...fresh.childNodes]) {
      const same = keyOf(f) ? known.get(keyOf(f)) : at;
      if (!same || !alike(same, f)) { old.insertBefore(f, at); continue; }
      while (at && at !== same && !keyOf(at)) drop();
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      node(same, f);
    }
    while (at) drop();
  };
  const node = (old, fresh) => {
    if (old.nodeType !== 1) { if (old.data !== fresh.data) old.data = fresh.data; return; }
    for (const a of fresh.attributes) if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value);
    for (const a of [...old.attributes]) if (!fresh.hasAttribute(a.name) && a.name !== "open") old.removeAttribute(a.name);
    children(old, fresh);
  };
  return (old, html) => { const t = document.createElement("template"); t.innerHTML = html; children(old, t.content); };
})();

// watch shows what happens as it happens: apply gets the pieces that changed.
const watch = (() => {
  const live = document.getElementById("live"), bubble = document.getElementById("trouble");
  if (!live) return () => {};
  const say = (text, lost) => { live.hidden = false; live.classList.toggle("lost", lost); if (live.textContent !== text) live.textContent = text; };
  return (apply) => {
    const source = new EventSource(live.dataset.from);
    source.addEventListener("update", (e) => {
      const data = JSON.parse(e.data);
      if ("trouble" in data) {
        bubble.hidden = data.trouble === 0;
        bubble.firstChild.data = String(data.trouble);
        document.title = (data.trouble ? "(" + data.trouble + ") " : "") + document.title.replace(/^\(\d+\) /, "");
      }
      apply(data);
      document.getElementById("asof").textContent = "as of " + new Date().toLocaleTimeString();
      if (data.gone) say(data.gone + " any more. What you see is old.", true);
      else say("Live", false);
    });
    source.addEventListener("error", () => say("Connection lost; trying again. What you see is old.", true));
  };
})();

// still applies a change so that what one looks at stays where it is: the
// element with the focus, else what stands in the middle of the window.
const still = (change) => {
  const held = document.activeElement !== document.body && document.activeElement || document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  const before = held && held.getBoundingClientRect().top;
  change();
  if (scrollY === 0 || !held || !held.isConnected || before < 0 || before > innerHeight) return;
  scrollBy({ top: held.getBoundingClientRect().top - before, behavior: "instant" });
};

// Every page but the overview is made of pieces with the name of their element.
if (!document.getElementById("rows")) watch((data) => still(() => {
  for (const [name, html] of Object.entries(data)) {
    const piece = document.getElementById(name);
    if (piece && name !== "trouble") morph(piece, html);
  }
}));

// overview is the live table of instruments.
(() => {
  const rows = document.getElementById("rows");
  if (!rows) return;
  const q = document.getElementById("q"), state = document.getElementById("state"), sort = document.getElementById("sort");
  const found = document.getElementById("found"), none = document.getElementById("none");
  document.documentElement.classList.add("scripted");

  const matches = (row) => {
    const d = row.dataset;
    if (!d.find.toLowerCase().includes(q.value.trim().toLowerCase())) return false;
    if (state.value === "attention") return d.attention === "1";
    return state.value === "" || d.state === state.value;
  };
  const byName = (a, b) => a.dataset.id < b.dataset.id ? -1 : a.dataset.id > b.dataset.id ? 1 : 0;
  const orders = {
    name: byName,
    state: (a, b) => a.dataset.rank - b.dataset.rank || byName(a, b),
    last: (a, b) => b.dataset.last - a.dataset.last || byName(a, b),
    today: (a, b) => b.dataset.today - a.dataset.today || byName(a, b),
    problems: (a, b) => b.dataset.problems - a.dataset.problems || byName(a, b),
  };
  const arrange = () => {
    const all = [...rows.children].sort(orders[sort.value]);
    const focused = document.activeElement;
    all.forEach((row, n) => { if (rows.children[n] !== row) rows.insertBefore(row, rows.children[n]); });
    if (focused !== document.activeElement && rows.contains(focused)) focused.focus({ preventScroll: true });
    let shown = 0;
    for (const row of all) { row.hidden = !matches(row); if (!row.hidden) shown++; }
    const text = shown + " of " + all.length;
    if (found.textContent !== text) found.textContent = text;
    none.hidden = shown > 0;
  };
  const remember = () => {
    const u = new URL(location.href);
    for (const [name, field] of [["q", q], ["state", state], ["sort", sort]]) {
      if (field.value && !(name === "sort" && field.value === "state")) u.searchParams.set(name, field.value);
      else u.searchParams.delete(name);
    }
    history.replaceState(null, "", u);
  };
  const changed = () => { arrange(); remember(); };
  q.addEventListener("input", changed);
  state.addEventListener("change", changed);
  sort.addEventListener("change", changed);
  document.getElementById("filters").addEventListener("submit", (e) => { e.preventDefault(); changed(); });
  document.getElementById("summary").addEventListener("click", (e) => {
    const chip = e.target.closest("a[data-state]");
    if (!chip) return;
    e.preventDefault();
    state.value = state.value === chip.dataset.state ? "" : chip.dataset.state;
    changed();
  });

  const parse = (html) => { const t = document.createElement("template"); t.innerHTML = html; return t.content.firstElementChild; };
  const merge = (old, fresh) => {
    for (const a of fresh.attributes) if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value);
    morph(old, fresh.innerHTML);
  };
  watch((data) => {
    for (const name of ["summary", "store"]) if (name in data) morph(document.getElementById(name), data[name]);
    if (!("rows" in data)) return;
    const seen = new Set();
    for (const html of data.rows) {
      const fresh = parse(html);
      seen.add(fresh.id);
      const old = document.getElementById(fresh.id);
      if (old) merge(old, fresh);
      else rows.append(fresh);
    }
    for (const row of [...rows.children]) if (!seen.has(row.id)) row.remove();
    arrange();
  });
  arrange();
})();
