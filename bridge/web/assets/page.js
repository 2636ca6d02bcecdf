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

// overview is the live table of instruments.
(() => {
  const rows = document.getElementById("rows");
  if (!rows) return;
  const q = document.getElementById("q"), state = document.getElementById("state"), sort = document.getElementById("sort");
  const found = document.getElementById("found"), none = document.getElementById("none"), live = document.getElementById("live");
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
  const put = (id, html) => { const e = document.getElementById(id); if (e.innerHTML !== html && !e.contains(document.activeElement)) e.innerHTML = html; };
  const merge = (old, fresh) => {
    for (const a of fresh.attributes) if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value);
    [...fresh.children].forEach((cell, n) => { if (old.children[n].innerHTML !== cell.innerHTML) old.children[n].innerHTML = cell.innerHTML; });
  };
  const update = (data) => {
    const seen = new Set();
    for (const html of data.rows || []) {
      const fresh = parse(html);
      seen.add(fresh.id);
      const old = document.getElementById(fresh.id);
      if (old) merge(old, fresh);
      else rows.append(fresh);
    }
    for (const row of [...rows.children]) if (!seen.has(row.id)) row.remove();
    put("summary", data.summary);
    put("store", data.store);
    const bubble = document.getElementById("trouble");
    bubble.hidden = data.trouble === 0;
    bubble.firstChild.data = String(data.trouble);
    document.title = (data.trouble ? "(" + data.trouble + ") " : "") + document.title.replace(/^\(\d+\) /, "");
    arrange();
  };
  const source = new EventSource("/live");
  const say = (text, lost) => { live.hidden = false; live.classList.toggle("lost", lost); if (live.textContent !== text) live.textContent = text; };
  source.addEventListener("overview", (e) => {
    update(JSON.parse(e.data));
    document.getElementById("asof").textContent = "as of " + new Date().toLocaleTimeString();
    say("Live", false);
  });
  source.addEventListener("error", () => say("Connection lost; trying again. What you see is old.", true));
  arrange();
})();
